// Package examples holds commented profiles to copy from, and no code.
//
// Its tests load every one of them, hold full.toml and daemon.toml against the
// schema, the dashboard and the alerts against what a daemon exports, and keep the
// tables of README.md as the code has them; after a change of the schema, of the
// codes or of the metrics, `go test ./examples -update` rewrites those.
package examples
