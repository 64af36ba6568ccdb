//go:build !linux

package main

import "tunneld/profiles"

// unreadable has nothing to say: access lists are not read.
func unreadable(folders, *profiles.Loader, []checkedProfile) []profiles.Problem { return nil }
