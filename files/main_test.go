package files_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/files"
	"tunneld/internal/sshtest"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 60 * time.Second

// server is OpenSSH's SFTP server by pipe, a new process for every session.
type server struct {
	t     testing.TB
	args  []string
	adapt func(*exec.Cmd)

	mu     sync.Mutex // guards what follows
	opened int
	cuts   []int64 // after so many bytes a session is lost, one after another
	gone   error   // what follows the last cut, unless nil
}

// line is a session's process.
type line struct {
	io.WriteCloser
	io.ReadCloser
	cmd  *exec.Cmd
	once sync.Once

	mu   sync.Mutex
	left int64 // before it is cut; -1 is no end
}

var errCut = errors.New("cut")

func serverProgram(t testing.TB) string {
	sshtest.NeedUnix(t, "sftp-server")
	for _, path := range []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server", "/usr/libexec/openssh/sftp-server"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("sftp-server is not installed: run: make deps")
	return ""
}

func newServer(t testing.TB, args ...string) *server {
	sshtest.Leaks(t)
	return &server{t: t, args: args}
}

// open is Copier.Open.
func (s *server) open(context.Context) (io.ReadWriteCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone != nil && s.opened > 0 && len(s.cuts) == 0 {
		return nil, s.gone
	}
	s.opened++
	l := &line{left: -1, cmd: exec.Command(serverProgram(s.t), append([]string{"-e"}, s.args...)...)}
	if len(s.cuts) > 0 {
		l.left, s.cuts = s.cuts[0], s.cuts[1:]
	}
	if s.adapt != nil {
		s.adapt(l.cmd)
	}
	l.WriteCloser, _ = l.cmd.StdinPipe()
	l.ReadCloser, _ = l.cmd.StdoutPipe()
	return l, l.cmd.Start()
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	return l.pass(n, err)
}

func (l *line) Write(p []byte) (int, error) {
	n, err := l.WriteCloser.Write(p)
	return l.pass(n, err)
}

// pass counts what goes either way, and cuts the line.
func (l *line) pass(n int, err error) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.left < 0:
	case l.left == 0:
		return 0, errCut
	case l.left <= int64(n):
		l.left = 0
		l.cmd.Process.Kill()
	default:
		l.left -= int64(n)
	}
	return n, err
}

func (l *line) Close() error {
	l.once.Do(func() {
		l.WriteCloser.Close()
		l.cmd.Process.Kill()
		l.ReadCloser.Close()
		l.cmd.Wait()
	})
	return nil
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// copier is one that must not take long, with what it tells.
type copier struct {
	files.Copier
	failed []string
	last   files.Progress
	calls  int
}

func newCopier(s *server) *copier {
	c := &copier{Copier: files.Copier{Open: s.open, Server: "work"}}
	c.Failed = func(err error) { c.failed = append(c.failed, err.Error()) }
	c.Progress = func(p files.Progress) { c.last = p; c.calls++ }
	return c
}

// copyOne copies one thing up or down.
func (c *copier) copyOne(t testing.TB, up bool, source, target string) error {
	t.Helper()
	c.failed = nil
	if up {
		return c.Upload(patient(t), []string{source}, target)
	}
	return c.Download(patient(t), []string{source}, target)
}

// bothWays runs a test for an upload and for a download.
func bothWays(t *testing.T, test func(t *testing.T, up bool)) {
	t.Run("up", func(t *testing.T) { test(t, true) })
	t.Run("down", func(t *testing.T) { test(t, false) })
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, text []byte, mode fs.FileMode) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, text, 0o600))
	ok(t, os.Chmod(path, mode))
}

// noise is n bytes that are nowhere alike.
func noise(n int) []byte {
	var seed [32]byte
	seed[0] = byte(n)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(p)
	return p
}

func same(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	ok(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, want %d, and others", path, len(got), len(want))
	}
}

// picture describes a tree: names, kinds, contents.
func picture(t testing.TB, root string) string {
	t.Helper()
	var lines []string
	ok(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			lines = append(lines, fmt.Sprintf("%q folder", rel))
			return nil
		}
		text, err := os.ReadFile(path)
		lines = append(lines, fmt.Sprintf("%q %d %x", rel, len(text), sha256.Sum256(text)))
		return err
	}))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// leftovers are the temporary files in a folder.
func leftovers(t testing.TB, folder string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(folder, ".tunneld-*"))
	ok(t, err)
	return all
}

// stuckAfter is open for a server that takes so many bytes and no more, and then
// calls stuck.
func (s *server) stuckAfter(t testing.TB, n int, stuck func()) func(context.Context) (io.ReadWriteCloser, error) {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		l, err := s.open(ctx)
		return &stuckLine{ReadWriteCloser: l, left: n, stuck: stuck, over: make(chan struct{})}, err
	}
}

type stuckLine struct {
	io.ReadWriteCloser
	left  int // the writer's
	stuck func()
	over  chan struct{}
	once  sync.Once
}

func (l *stuckLine) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		l.stuck()
		<-l.over
		return 0, errCut
	}
	return l.ReadWriteCloser.Write(p)
}

func (l *stuckLine) Close() error {
	l.once.Do(func() { close(l.over) })
	return l.ReadWriteCloser.Close()
}
