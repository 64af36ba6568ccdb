//go:build !windows

package main

import "context"

func (g *globals) runHosted(ctx context.Context, f folders) error { return g.runOnTerminal(ctx, f) }
