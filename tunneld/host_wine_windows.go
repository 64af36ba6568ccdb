//go:build wine

package main

// isService is always true: this build is for tests of the service under Wine,
// whose services run in another session than Windows' do.
func isService() (bool, error) { return true, nil }
