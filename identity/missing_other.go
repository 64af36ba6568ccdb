//go:build !windows

package identity

import "tunneld/fault"

// missing is the error of a key file that is not there.
func missing(path string) error {
	return fault.New(fault.KeyUnreadable, fault.Auth, "%s does not exist", path)
}
