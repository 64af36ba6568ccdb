//go:build !system

package main

import "golang.org/x/sys/windows/svc"

// isService reports whether Windows' service manager started this process.
func isService() (bool, error) { return svc.IsWindowsService() }
