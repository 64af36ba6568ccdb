package files_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/files"
)

// A copy goes on over as many lost sessions as come, without what it had.
func TestLostSessions(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		dir, text := t.TempDir(), noise(60<<20)
		write(t, filepath.Join(dir, "a"), text, 0o755)
		write(t, filepath.Join(dir, "b"), []byte("old"), 0o644)
		s := newServer(t)
		s.cuts = []int64{10 << 20, 12<<20 + 1, 13<<20 + 2, 11<<20 + 3, 14<<20 + 4}
		c := newCopier(s)
		ok(t, c.copyOne(t, up, filepath.Join(dir, "a"), filepath.Join(dir, "b")))
		same(t, filepath.Join(dir, "b"), text)
		// Each cut costs what was under way and what may have holes, 5 MiB or little more; anew it costs 10 to 14.
		if s.opened != 6 || c.last.Moved > 60<<20+5*8<<20 || leftovers(t, dir) != nil {
			t.Errorf("%d sessions, %+v, %q", s.opened, c.last, leftovers(t, dir))
		}
	})
}

// Wherever a session is lost, a tree arrives.
func TestLostAnywhere(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		from := filepath.Join(t.TempDir(), "tree")
		for _, name := range []string{"a", "b/c", "b/d/e", "f"} {
			write(t, filepath.Join(from, name), []byte(name), 0o700)
		}
		ok(t, os.Symlink("b", filepath.Join(from, "link")))
		want := ""
		for cut := int64(1); cut < 6000; cut += 61 {
			s := newServer(t)
			s.cuts = []int64{1 << 20, cut, cut / 2} // the first greeting must go through
			if cut > 400 {
				s.cuts = s.cuts[1:]
			}
			c := newCopier(s)
			c.Recursive, c.Preserve = true, true
			to := filepath.Join(t.TempDir(), "copy")
			if err := c.copyOne(t, up, from, to); err != nil {
				t.Fatalf("after %d bytes: %v", cut, err)
			}
			got := picture(t, to)
			if want == "" {
				want = got
			}
			if got != want || len(got) < 100 {
				t.Fatalf("after %d bytes:\n%s", cut, got)
			}
		}
	})
}

// With Resume a copy that broke off goes on in another run, wherever it was.
func TestResume(t *testing.T) {
	const size, slack = 8<<20 + 5, 3 << 20
	text := noise(size)
	bothWays(t, func(t *testing.T, up bool) {
		for _, at := range []int64{500, 33_000, 1 << 20, 2<<20 + 1, 5 << 20, 7<<20 + 12345, 8<<20 - 128<<10} {
			dir := t.TempDir()
			source, target := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			write(t, source, text, 0o640)
			write(t, target, []byte("old"), 0o644)
			s := newServer(t)
			s.cuts, s.gone = []int64{at}, errors.New("gone")
			c := newCopier(s)
			c.Resume = true
			if err := c.copyOne(t, up, source, target); !errors.Is(err, s.gone) {
				t.Fatal(at, err)
			}
			same(t, target, []byte("old"))
			first := c.last.Moved

			s = newServer(t)
			c = newCopier(s)
			c.Resume = true
			ok(t, c.copyOne(t, up, source, target))
			same(t, target, text)
			if c.last.Moved > size-min(first, at)+slack || c.last.Done != size || leftovers(t, dir) != nil {
				t.Errorf("cut after %d bytes, at %d: then %+v, %q", at, first, c.last, leftovers(t, dir))
			}
		}
	})
}

// A partial file is of one version of its source: another begins anew.
func TestResumeOfAnotherVersion(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		dir := t.TempDir()
		source, target := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		write(t, source, noise(6<<20), 0o644)
		s := newServer(t)
		s.cuts, s.gone = []int64{4 << 20}, errors.New("gone")
		c := newCopier(s)
		c.Resume = true
		if err := c.copyOne(t, up, source, target); err == nil {
			t.Fatal("it was not cut")
		}
		if n := len(leftovers(t, dir)); n != 1 {
			t.Fatal(n, "partial files")
		}
		write(t, source, noise(6<<20+1), 0o644)
		s.gone = nil
		ok(t, c.copyOne(t, up, source, target))
		same(t, target, noise(6<<20+1))
	})
}

// A link that is gone for good ends the copy with its code, and leaves alone
// what was there.
func TestGone(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		from, to := t.TempDir(), t.TempDir()
		write(t, filepath.Join(from, "a"), noise(9<<20), 0o644)
		write(t, filepath.Join(to, "a"), []byte("old"), 0o644)
		s := newServer(t)
		s.cuts, s.gone = []int64{2 << 20}, fault.New(fault.AuthRejected, fault.Auth, "no")
		c := newCopier(s)
		if err := c.copyOne(t, up, filepath.Join(from, "a"), to); fault.CodeOf(err) != fault.AuthRejected {
			t.Error(err)
		}
		same(t, filepath.Join(to, "a"), []byte("old"))
		if left := leftovers(t, to); !up && left != nil {
			t.Error(left)
		}
	})
}

// A server that never gets further is given up.
func TestNoHeadway(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), noise(1<<20), 0o644)
	s := newServer(t)
	for range 20 {
		s.cuts = append(s.cuts, 400)
	}
	c := newCopier(s)
	if err := c.copyOne(t, false, filepath.Join(dir, "a"), filepath.Join(dir, "b")); !errors.Is(err, errCut) && fault.CodeOf(err) == "" || s.opened > 10 {
		t.Error(err, s.opened)
	}
}

// The end of ctx ends a copy, and its temporary file goes with it.
func TestCancelled(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		from, to := t.TempDir(), t.TempDir()
		write(t, filepath.Join(from, "a"), noise(20<<20), 0o644)
		c := newCopier(newServer(t))
		ctx, cancel := context.WithCancelCause(patient(t))
		c.Progress = func(p files.Progress) {
			if p.Done > 3<<20 {
				cancel(errCut)
			}
		}
		run := c.Download
		if up {
			run = c.Upload
		}
		if err := run(ctx, []string{filepath.Join(from, "a")}, to); !errors.Is(err, errCut) {
			t.Error(err)
		}
		if left, _ := os.ReadDir(to); len(left) > 0 {
			t.Error(left)
		}
	})
}

// A server that stops answering does not hold up the end of ctx.
func TestCancelledWhileStuck(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), noise(20<<20), 0o644)
	s := newServer(t)
	c := newCopier(s)
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	c.Open = s.stuckAfter(t, 3<<20, cancel)
	if err := c.Upload(ctx, []string{filepath.Join(dir, "a")}, filepath.Join(dir, "b")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Files that shrink or grow while they are read.
func TestChanging(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		dir := t.TempDir()
		source, target := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		for _, size := range []int64{5 << 20, 1000, 30 << 20} {
			write(t, source, noise(20<<20), 0o644)
			write(t, target, []byte("old"), 0o644)
			c := newCopier(newServer(t))
			c.Progress = func(p files.Progress) {
				if p.Done > 1<<20 && p.Done < 2<<20 {
					ok(t, os.Truncate(source, size))
				}
			}
			err := c.copyOne(t, up, source, target)
			if size > 20<<20 {
				ok(t, err)
				same(t, target, noise(20<<20))
				continue
			}
			if err == nil || !strings.HasSuffix(err.Error(), "/a: it changed while it was read") {
				t.Error(size, err)
			}
			same(t, target, []byte("old"))
		}
	})
}
