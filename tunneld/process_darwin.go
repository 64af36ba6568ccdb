package main

// forbidTracing has nothing to add: without a core file there is no dump.
func forbidTracing() error { return nil }
