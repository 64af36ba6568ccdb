package main

// keepFilesOwn has nothing to do: what is written has the folder's access list.
func keepFilesOwn() {}

// forbidCoreDumps has nothing to do: Windows writes a dump only where an
// administrator has asked for one.
func forbidCoreDumps() error { return nil }
