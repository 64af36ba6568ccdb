package wholefile

import (
	"errors"

	"golang.org/x/sys/windows"
)

// inUse reports whether a rename met a file that a reader has open. Windows says
// that access is denied for some of them, and for a folder in the file's place.
func inUse(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// heldAlone reports whether an open met a file that another has for itself.
func heldAlone(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }
