package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/internal/access"
)

// A folder that was there before the first install, and is a stranger's, is named.
func TestStrangersFolders(t *testing.T) {
	s := Service{Folder: filepath.Join(t.TempDir(), "tunneld")}
	if err := s.checkFolders(access.StrangeOwner); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(s.Folder, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.checkFolders(access.StrangeOwner); err != nil {
		t.Errorf("its own: %v", err)
	}
	for _, f := range folders {
		planted := filepath.Join(s.Folder, f.name)
		err := s.checkFolders(func(path string) (string, error) {
			if path == planted {
				return "mallory", nil
			}
			return access.StrangeOwner(path)
		})
		if err == nil || !strings.Contains(err.Error(), planted+" belongs to mallory") || !strings.Contains(fault.HintOf(err), planted) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}
