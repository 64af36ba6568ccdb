//go:build system

package main

// isService is always true: with this tag the program is built for tests of the
// service under Wine, whose services run in another session than Windows' do.
func isService() (bool, error) { return true, nil }
