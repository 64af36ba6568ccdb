package files_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// listened is a line that notes when a target is looked at and when one is whole.
type listened struct {
	io.ReadWriteCloser
	base string // of every target, in lower case

	mu   sync.Mutex // guards what follows
	seen []string
}

func (l *listened) Write(p []byte) (int, error) {
	const lstat, stat = 7, 17 // draft-ietf-secsh-filexfer-02, section 3
	text := bytes.ToLower(p)
	l.mu.Lock()
	switch {
	case bytes.Contains(text, []byte("posix-rename")):
		l.seen = append(l.seen, "whole")
	case len(p) > 4 && (p[4] == lstat || p[4] == stat) && bytes.HasSuffix(text, []byte("/"+l.base)):
		l.seen = append(l.seen, "look")
	}
	l.mu.Unlock()
	return l.ReadWriteCloser.Write(p)
}

// What has the same place comes one after another, whether it is copied beside
// others or not: a large file and a folder do not overtake a small file.
func TestSamePlaceInOrder(t *testing.T) {
	for name, test := range map[string]struct {
		first, second string
		folder        bool
	}{
		"a large file":             {"a/x", "b/x", false},
		"a large file, other case": {"a/README", "b/readme", false},
		"a folder":                 {"a/x", "b/x", true},
		"a folder, other case":     {"a/README", "b/readme", true},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := t.TempDir(), t.TempDir()
			first, second := filepath.Join(from, test.first), filepath.Join(from, test.second)
			write(t, first, []byte("small"), 0o644)
			if test.folder {
				ok(t, os.MkdirAll(second, 0o755))
			} else {
				write(t, second, noise(300_000), 0o644)
			}
			s := newServer(t)
			c := newCopier(s)
			c.Recursive = true
			l := &listened{base: strings.ToLower(filepath.Base(second))}
			c.Open = func(ctx context.Context) (_ io.ReadWriteCloser, err error) {
				l.ReadWriteCloser, err = s.open(ctx)
				return l, err
			}
			err := c.Upload(patient(t), []string{first, second}, to)
			want := "look whole look whole"
			if test.folder {
				want = "look whole look"
			}
			if got := strings.Join(l.seen, " "); !strings.HasPrefix(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
			samePlace := filepath.Base(first) == filepath.Base(second)
			switch {
			case !test.folder:
				ok(t, err)
				same(t, filepath.Join(to, filepath.Base(second)), noise(300_000))
			case samePlace:
				if len(c.failed) != 1 || !strings.Contains(c.failed[0], "/x: ") {
					t.Errorf("%v, failed %q", err, c.failed)
				}
				same(t, filepath.Join(to, "x"), []byte("small"))
			default:
				ok(t, err)
			}
		})
	}
}
