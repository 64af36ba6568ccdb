package identity

import (
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
)

// Only a drive that is not there is spoken of.
func TestMissingDrive(t *testing.T) {
	if hint := fault.HintOf(missing(`Q:\keys\work`)); !strings.Contains(hint, `no drive Q:`) || !strings.Contains(hint, `\\server\share`) {
		t.Errorf("%q", hint)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "key"), `\\server\share\key`} {
		if hint := fault.HintOf(missing(path)); strings.Contains(hint, "drive") {
			t.Errorf("%s: %q", path, hint)
		}
	}
}
