package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunneld/internal/sshtest"
)

// manager keeps what a service manager would, by name.
type manager struct {
	t     *testing.T
	mu    sync.Mutex
	files map[string]*os.File
}

func newManager(t *testing.T) *manager {
	m := &manager{t: t, files: map[string]*os.File{}}
	t.Cleanup(func() {
		for _, f := range m.files {
			f.Close()
		}
	})
	return m
}

// send takes copies, as a socket would carry them.
func (m *manager) send(state string, files ...*os.File) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	verb, name, _ := strings.Cut(state, "\nFDNAME=")
	switch {
	case len(name) > 255 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 127 || r == ':' }): // fdname_is_valid
		m.t.Errorf("systemd takes no name such as %q", name)
	case verb == "FDSTORE=1" && len(files) == 1:
		if old := m.files[name]; old != nil {
			old.Close()
		}
		m.files[name] = m.copyOf(files[0], name)
	case verb == "FDSTOREREMOVE=1" && len(files) == 0:
		if m.files[name] == nil {
			m.t.Errorf("%s is not there", name)
		}
		m.files[name].Close()
		delete(m.files, name)
	default:
		m.t.Errorf("what is %q?", state)
	}
	return nil
}

func (m *manager) copyOf(f *os.File, name string) *os.File {
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		m.t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), name)
}

// next is the store of the next process.
func (m *manager) next(leaving *bool) *Store {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &Store{Send: m.send, Leaving: func() bool { return *leaving }}
	var files []*os.File
	for name, f := range m.files {
		files = append(files, m.copyOf(f, name))
	}
	s.Inherit(files)
	return s
}

func listen(t *testing.T, s *Store, address string) net.Listener {
	t.Helper()
	ln, err := s.Listen(context.Background(), new(net.ListenConfig), networkOf(address), address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func networkOf(address string) string {
	if filepath.IsAbs(address) {
		return "unix"
	}
	return "tcp"
}

// free returns an address that nobody listens on.
func free(t *testing.T, host string) string {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Whoever connects while no process is there is served by the next one.
func TestNextProcessServesWhoConnectedBetween(t *testing.T) {
	sshtest.Leaks(t)
	for _, address := range []string{
		free(t, "127.0.0.1"), free(t, "::1"), free(t, "0.0.0.0"), free(t, "::"), filepath.Join(t.TempDir(), "a socket: ü"),
	} {
		m, leaving := newManager(t), false
		old := listen(t, m.next(&leaving), address)
		leaving = true
		old.Close()
		client, err := net.DialTimeout(networkOf(address), address, 10*time.Second)
		if err != nil {
			t.Fatalf("%s: refused between two processes: %v", address, err)
		}
		leaving = false
		s := m.next(&leaving)
		ln := listen(t, s, address)
		s.Settle() // leaves alone what was asked for
		served, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(served, "hello")
		served.Close()
		if got, err := io.ReadAll(client); string(got) != "hello" {
			t.Errorf("%s: %q, %v", address, got, err)
		}
		client.Close()
		ln.Close()
	}
}

// An address that is closed for good is free at once, although the manager has
// a copy that it may close later.
func TestClosedForGood(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	slow := &Store{Leaving: func() bool { return leaving }, Send: func(state string, files ...*os.File) error {
		if strings.HasPrefix(state, "FDSTOREREMOVE") {
			return nil // it has not come to it
		}
		return m.send(state, files...)
	}}
	address := free(t, "127.0.0.1")
	for range 3 {
		listen(t, slow, address).Close()
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Fatal("a closed port takes connections")
		}
	}
}

// What nobody asks for any more is given up.
func TestSettle(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	address := free(t, "127.0.0.1")
	old := listen(t, m.next(&leaving), address)
	leaving = true
	old.Close()
	leaving = false
	m.next(&leaving).Settle()
	if len(m.files) > 0 {
		t.Errorf("still there: %v", m.files)
	}
	if c, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want a refusal", err)
		if err == nil {
			c.Close()
		}
	}
}

// A chosen port and a name are not kept, and what is no TCP listener is closed.
func TestNotKept(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	s := m.next(&leaving)
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		listen(t, s, address).Close()
	}
	if len(m.files) > 0 {
		t.Errorf("kept: %v", m.files)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Inherit([]*os.File{r, w})
	if _, err := r.Read(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a pipe stayed open: %v", err)
	}
}

// A socket that the manager does not take serves all the same.
func TestManagerGone(t *testing.T) {
	sshtest.Leaks(t)
	gone := errors.New("gone")
	var told error
	s := &Store{Send: func(string, ...*os.File) error { return gone }, Leaving: func() bool { return false }, Trouble: func(err error) { told = err }}
	address := free(t, "127.0.0.1")
	ln := listen(t, s, address)
	defer ln.Close()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if !errors.Is(told, gone) {
		t.Errorf("told %v", told)
	}
}

// The file of a socket is there while somebody listens or is to, and nobody's
// file is taken for it.
func TestSocketFile(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	path := filepath.Join(t.TempDir(), "s")
	wantFile := func(when string, want bool) {
		t.Helper()
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: a file: %v, want %v", when, err == nil, want)
		}
	}
	leave := func(ln net.Listener) {
		leaving = true
		ln.Close()
		leaving = false
	}
	listen(t, m.next(&leaving), path).Close()
	wantFile("closed", false)
	leave(listen(t, m.next(&leaving), path))
	wantFile("left", true)
	listen(t, m.next(&leaving), path).Close()
	wantFile("inherited and closed", false)
	leave(listen(t, m.next(&leaving), path))
	m.next(&leaving).Settle()
	wantFile("given up", false)

	leave(listen(t, m.next(&leaving), path))
	if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := m.next(&leaving)
	if ln, err := s.Listen(t.Context(), new(net.ListenConfig), "unix", path); err == nil {
		t.Error("a socket that nobody finds was handed out")
		ln.Close()
	}
	s.Settle()
	wantFile("another's", true)
	if len(m.files) > 0 {
		t.Errorf("still there: %v", m.files)
	}
}

// Another program's socket at the path of an inherited one is left alone, and
// nobody waits on the orphan.
func TestSocketFileReplaced(t *testing.T) {
	sshtest.Leaks(t)
	for _, asked := range []bool{true, false} {
		m, leaving := newManager(t), false
		path := filepath.Join(t.TempDir(), "s")
		old := listen(t, m.next(&leaving), path)
		leaving = true
		old.Close()
		leaving = false
		if err := os.Rename(path, path+".was"); err != nil { // so that its inode is not used again
			t.Fatal(err)
		}
		another, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := m.next(&leaving)
		if asked {
			if ln, err := s.Listen(t.Context(), new(net.ListenConfig), "unix", path); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%v, want that the path is in use", err)
				ln.Close()
			}
		}
		s.Settle()
		if c, err := net.Dial("unix", path); err != nil {
			t.Errorf("asked for: %v: another program's socket: %v", asked, err)
		} else {
			c.Close()
		}
		if len(m.files) > 0 {
			t.Errorf("still there: %v", m.files)
		}
		another.Close()
	}
}

// A socket that the manager has no name for serves all the same.
func TestNameTooLong(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	s := m.next(&leaving)
	var told error
	s.Trouble = func(err error) { told = err }
	t.Chdir(t.TempDir())
	path := strings.Repeat("ü", 50)
	ln, err := s.Listen(t.Context(), new(net.ListenConfig), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if told == nil || len(m.files) > 0 {
		t.Errorf("told %v, kept %v", told, m.files)
	}
}

// Of two inherited sockets at one place one serves, and is kept on; the kernel
// gives no client to the other.
func TestTwoAtOnePlace(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	address := free(t, "127.0.0.1")
	shared := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	s := m.next(&leaving)
	var files []*os.File
	for range 2 {
		ln, err := shared.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		k := s.keeping(ln)
		f, err := k.File()
		if err := errors.Join(err, m.send("FDSTORE=1\nFDNAME="+k.name, f)); err != nil {
			t.Fatal(err)
		}
		files = append(files, m.copyOf(f, k.name))
		ln.Close()
		f.Close()
	}
	s.Inherit(files)
	ln := listen(t, s, address)
	defer ln.Close()
	if len(m.files) != 1 || s.copies.Load() != 1 {
		t.Errorf("kept %v, counted %d", m.files, s.copies.Load())
	}
	for range 32 { // half of them would wait for nobody
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		ln.(*kept).socket.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
		served, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		served.Close()
		c.Close()
	}
}

// What systemd would drop is told, and what is closed makes room.
func TestStoreFull(t *testing.T) {
	sshtest.Leaks(t)
	m, leaving := newManager(t), false
	s := m.next(&leaving)
	var told error
	s.Trouble = func(err error) { told = err }
	s.copies.Store(StoreMax - 1)
	last := listen(t, s, free(t, "127.0.0.1"))
	if told != nil {
		t.Error(told)
	}
	listen(t, s, free(t, "127.0.0.1")).Close()
	if told == nil || len(m.files) != 1 {
		t.Errorf("told %v, kept %v", told, m.files)
	}
	told = nil
	last.Close()
	last.Close()
	listen(t, s, free(t, "127.0.0.1")).Close()
	if told != nil || s.copies.Load() != StoreMax-1 {
		t.Errorf("told %v with room, counted %d", told, s.copies.Load())
	}
}

// The units ask systemd for as much as the store counts on.
func TestStoreMaxIsTheUnits(t *testing.T) {
	for _, unit := range []string{"system", "user"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "install", "systemd", unit, "tunneld.service"))
		if want := fmt.Sprintf("\nFileDescriptorStoreMax=%d\n", StoreMax); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, want %q", unit, err, want)
		}
	}
}
