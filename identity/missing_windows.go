package identity

import (
	"os"
	"path/filepath"

	"tunneld/fault"
)

// missing is the error of a key file that is not there, which has a reason of its
// own where the whole drive is not.
func missing(path string) error {
	err := fault.New(fault.KeyUnreadable, fault.Auth, "%s does not exist", path)
	drive := filepath.VolumeName(path)
	if len(drive) != len("Z:") {
		return err
	}
	if _, stat := os.Stat(drive + `\`); stat == nil {
		return err
	}
	return err.WithHint(`there is no drive %s: a service does not see those that a user mapped, write \\server\share instead`, drive)
}
