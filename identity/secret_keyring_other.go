//go:build !linux

package identity

// checkBus finds nothing missing: the keyring belongs to the system.
func (s Source) checkBus() error { return nil }
