// Package examples holds commented profiles to copy from. The two files with
// every key are in the program, too, which makes its manual from them.
//
// Its tests load every one of them, hold full.toml and daemon.toml against the
// schema, the dashboard and the alerts against what a daemon exports, and keep the
// tables of README.md as the code has them; after a change of the schema, of the
// codes or of the metrics, `go test ./examples -update` rewrites those.
package examples

import _ "embed"

// Profile is full.toml, every key of a profile with what it does.
//
//go:embed full.toml
var Profile string

// Daemon is daemon.toml, likewise.
//
//go:embed daemon.toml
var Daemon string
