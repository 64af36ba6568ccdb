package control

import (
	"os"
	"path/filepath"
	"testing"
)

// A service's account is trusted in a folder that root made for it, and nowhere
// else.
func TestAppointed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes folders for others")
	}
	for name, c := range map[string]struct {
		above, folder os.FileMode
		owner         int // of the folder above
		want          string
	}{
		"service":        {0o755, 0o755, 0, "1234"},
		"shared above":   {0o777, 0o755, 0, ""},
		"temporary":      {0o777 | os.ModeSticky, 0o755, 0, ""},
		"other's above":  {0o755, 0o755, 1234, ""},
		"shared folder":  {0o755, 0o775, 0, ""},
		"private folder": {0o755, 0o700, 0, "1234"},
	} {
		above, err := os.MkdirTemp("/run", "tunneld-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(above) })
		folder := filepath.Join(above, "tunneld")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			os.Chown(folder, 1234, 1234), os.Chmod(folder, c.folder), os.Chown(above, c.owner, 0), os.Chmod(above, c.above),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := appointed(filepath.Join(folder, "tunneld.sock")); got != c.want {
			t.Errorf("%s: uid %q, want %q", name, got, c.want)
		}
	}
}
