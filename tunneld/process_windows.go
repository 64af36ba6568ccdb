package main

// forbidCoreDumps has nothing to do: Windows writes a dump only where an
// administrator has asked for one.
func forbidCoreDumps() error { return nil }
