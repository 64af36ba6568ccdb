//go:build !linux

package trigger

import "context"

// listenLogind has no logind here: the clocks tell of sleep.
func (w *Watcher) listenLogind(context.Context, func()) error { return nil }
