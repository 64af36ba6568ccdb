package files_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// answering is Copier.Open for a server in this process.
func answering(t testing.TB, serve func(io.ReadWriteCloser)) func(context.Context) (io.ReadWriteCloser, error) {
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	return func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		served.Go(func() { serve(theirs); theirs.Close() })
		return ours, nil
	}
}

// tricky is a server whose folder has names that lead elsewhere.
type tricky struct{ names []string }

func (f tricky) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if r.Method != "List" {
		if strings.HasSuffix(r.Filepath, "/t") {
			return entries{entry{"t", true}}, nil
		}
		return entries{entry{filepath.Base(r.Filepath), false}}, nil
	}
	var all entries
	for _, name := range f.names {
		all = append(all, entry{name, false})
	}
	return all, nil
}

func (f tricky) Fileread(*sftp.Request) (io.ReaderAt, error) { return strings.NewReader("evil"), nil }

type entries []fs.FileInfo

func (e entries) ListAt(to []fs.FileInfo, at int64) (int, error) {
	if at >= int64(len(e)) {
		return 0, io.EOF
	}
	return copy(to, e[at:]), nil
}

type entry struct {
	name   string
	folder bool
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return 4 }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return e.folder }
func (e entry) Sys() any           { return nil }
func (e entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// No name that a server sends leads out of the folder that is copied to.
func TestNamesThatLeadElsewhere(t *testing.T) {
	sshtest.Leaks(t)
	names := tricky{[]string{"../up", "/etc/evil", "a/..", "a/../../up", "..", ".", "/", "", "x\x00y", "good"}}
	c := newCopier(nil)
	c.Recursive = true
	c.Open = answering(t, func(s io.ReadWriteCloser) {
		server := sftp.NewRequestServer(s, sftp.Handlers{FileList: names, FileGet: names})
		_ = server.Serve()
		server.Close()
	})
	dir := t.TempDir()
	ok(t, os.MkdirAll(filepath.Join(dir, "a"), 0o755))
	err := c.copyOne(t, false, "/t", filepath.Join(dir, "a", "b"))
	if err == nil || len(c.failed) == 0 {
		t.Error("nothing was refused")
	}
	ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Dir(path) != filepath.Join(dir, "a", "b") {
			t.Errorf("%s was written", path)
		}
		return err
	}))
	same(t, filepath.Join(dir, "a", "b", "good"), []byte("evil"))
}

// What is not SFTP, such as the words of a shell's startup file.
func TestNotSFTP(t *testing.T) {
	sshtest.Leaks(t)
	for _, words := range []string{"", "Welcome to the machine!\n", "\x00\x00\x00\x05\x02\x00\x00\x00\x06", "\xff\xff\xff\xff"} {
		c := newCopier(nil)
		c.Open = answering(t, func(s io.ReadWriteCloser) {
			_, _ = s.Read(make([]byte, 100))
			_, _ = io.WriteString(s, words)
		})
		if err := c.copyOne(t, false, "a", t.TempDir()); fault.CodeOf(err) != fault.SessionDenied {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// A server without OpenSSH's extensions is as good.
func TestPlainServer(t *testing.T) {
	sshtest.Leaks(t)
	ok(t, sftp.SetSFTPExtensions())
	t.Cleanup(func() {
		ok(t, sftp.SetSFTPExtensions("hardlink@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com"))
	})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tree", "a"), noise(5<<20), 0o644)
	write(t, filepath.Join(dir, "there", "tree", "a"), []byte("old"), 0o644)
	c := newCopier(nil)
	c.Recursive = true
	c.Open = answering(t, func(s io.ReadWriteCloser) {
		server, err := sftp.NewServer(s)
		if err == nil {
			_ = server.Serve()
		}
	})
	ok(t, c.copyOne(t, true, filepath.Join(dir, "tree"), filepath.Join(dir, "there")))
	same(t, filepath.Join(dir, "there", "tree", "a"), noise(5<<20))
	ok(t, c.copyOne(t, false, filepath.Join(dir, "there", "tree"), filepath.Join(dir, "back")))
	same(t, filepath.Join(dir, "back", "a"), noise(5<<20))
}

// A server that cannot be reached at all.
func TestNoServer(t *testing.T) {
	c := newCopier(nil)
	none := errors.New("none")
	c.Open = func(context.Context) (io.ReadWriteCloser, error) { return nil, none }
	if err := c.copyOne(t, true, "a", "b"); !errors.Is(err, none) {
		t.Error(err)
	}
}
