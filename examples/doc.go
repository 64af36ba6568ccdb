// Package examples holds commented profiles to copy from, and no code.
//
// Its tests load every one of them, hold full.toml and daemon.toml against the
// schema, and keep the tables of README.md as the code has them; after a change
// of the schema or of the codes, `go test ./examples -update` rewrites those.
package examples
