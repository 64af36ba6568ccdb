package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// fullDisk is a stdout on a full disk.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// What could not be printed is no success, of whatever command.
func TestUnprintedIsFailure(t *testing.T) {
	t.Setenv("TUNNELD_CONFIG", t.TempDir())
	for _, args := range [][]string{{"version"}, {"check"}, {"man"}, {"help"}, {"completion", "bash"}} {
		var stderr strings.Builder
		if status := execute(args, fullDisk{}, &stderr); status != exitFailed {
			t.Errorf("%q: exit status %d", args, status)
		}
		if !strings.Contains(stderr.String(), "tunneld: printing: no space left\n") {
			t.Errorf("%q: %s", args, stderr.String())
		}
		if status := execute(args, io.Discard, io.Discard); status != 0 {
			t.Errorf("%q: exit status %d", args, status)
		}
	}
}
