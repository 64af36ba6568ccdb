package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tunneld/internal/access"
)

// checkAccess refuses a file or folder of the machine's configuration that
// others than the system, the administrators and this account can change.
func checkAccess(path, _ string) error {
	who, err := access.Stranger(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // said by whoever reads it
	}
	if err != nil || who == "" {
		return err
	}
	return withHint(accessHint(path), "%s can change %s", who, path)
}

// checkWay has nothing to say: who may add to a folder on Windows may not replace
// what others have there.
func checkWay(string) error { return nil }

// accessHint says how a folder, or a file that was judged to be right, becomes
// the administrators' own.
func accessHint(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return "look at what is in it, then tunneld service install"
	}
	return fmt.Sprintf(`icacls "%[1]s" /setowner *S-1-5-32-544, then icacls "%[1]s" /reset, then tunneld reload`, path)
}
