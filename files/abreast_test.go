package files_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// crowd is a line that answers nothing between the first file that is opened and
// the one that makes it enough.
type crowd struct {
	io.ReadWriteCloser
	enough int

	mu     sync.Mutex // guards what follows
	opened int
	more   sync.Cond
	over   bool
}

func (c *crowd) Write(p []byte) (int, error) {
	const open = 3 // draft-ietf-secsh-filexfer-02, section 3
	c.mu.Lock()
	if len(p) > 4 && p[4] == open {
		c.opened++
		c.more.Broadcast()
	}
	c.mu.Unlock()
	return c.ReadWriteCloser.Write(p)
}

func (c *crowd) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.opened > 0 && c.opened < c.enough && !c.over {
		c.more.Wait()
	}
	return n, err
}

func (c *crowd) Close() error {
	c.mu.Lock()
	c.over = true
	c.more.Broadcast()
	c.mu.Unlock()
	return c.ReadWriteCloser.Close()
}

// Small files do not wait for one another.
func TestSmallFilesAreCopiedSideBySide(t *testing.T) {
	from := filepath.Join(t.TempDir(), "tree")
	for i := range 100 {
		write(t, filepath.Join(from, fmt.Sprintf("%02d", i)), []byte(fmt.Sprint(i)), 0o644)
	}
	s := newServer(t)
	c := newCopier(s)
	c.Recursive = true
	c.Open = func(ctx context.Context) (io.ReadWriteCloser, error) {
		l, err := s.open(ctx)
		line := &crowd{ReadWriteCloser: l, enough: 20}
		line.more.L = &line.mu
		return line, err
	}
	to := filepath.Join(t.TempDir(), "copy")
	ok(t, c.copyOne(t, true, from, to))
	if picture(t, to) != picture(t, from) {
		t.Error("another tree arrived")
	}
}

// What fails is told in the order of the walk, and the rest is copied.
func TestFailuresInOrder(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		from, to := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "copy")
		var want []string
		for i := range 100 {
			name := fmt.Sprintf("%02d", i)
			size := 10
			if i%9 == 4 {
				size = 300_000 // which is not copied beside others
			}
			write(t, filepath.Join(from, name), noise(size), 0o644)
			if i%7 == 3 {
				write(t, filepath.Join(to, "tree", name, "x"), nil, 0o644)
				want = append(want, name)
			}
		}
		c := newCopier(newServer(t))
		c.Recursive = true
		if err := c.copyOne(t, up, from, to); err == nil || err.Error() != fmt.Sprintf("%d not copied, %d copied", len(want), 100-len(want)) {
			t.Error(err)
		}
		var got []string
		for _, line := range c.failed {
			path, _, _ := strings.Cut(line, ": is a folder")
			got = append(got, filepath.Base(path))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
