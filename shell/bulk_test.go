package shell_test

import (
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"tunneld/internal/sshtest"
	"tunneld/shell"
)

const bulk = 64 << 20

// closeLate ends a session that hangs, so that the test fails and goes on.
func closeLate(s *shell.Session) (stop func() bool) {
	return time.AfterFunc(patience, func() { s.Close() }).Stop
}

func awaitFile(t *testing.T, path, want string) {
	t.Helper()
	sshtest.Eventually(t, patience, path, func() bool {
		text, _ := os.ReadFile(path)
		return string(text) == want
	})
}

// heap is what lives after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// flat reads like r and remembers how large the heap became.
type flat struct {
	io.Reader
	next, done int64
	most       uint64
}

func (f *flat) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if f.done += int64(n); f.done >= f.next {
		f.next += bulk / 8
		f.most = max(f.most, heap())
	}
	return n, err
}

func TestBulkUp(t *testing.T) {
	l, _ := openssh(t)
	want := sshtest.Digest(sshtest.Pattern(bulk))
	s := start(t, l, shell.Spec{Command: "sha256sum | cut -d' ' -f1"})
	before := heap()
	input := &flat{Reader: sshtest.Pattern(bulk)}
	got := finish(t, s, input)
	if sum := strings.TrimSpace(got.stdout); sum == "" || !strings.HasSuffix(want, sum) || input.done != bulk {
		t.Errorf("%+v, want %s", got, want)
	}
	if input.most > before+16<<20 {
		t.Errorf("the heap grew from %d to %d", before, input.most)
	}
}

func TestBulkDown(t *testing.T) {
	l, _ := openssh(t)
	want := sshtest.Digest(sshtest.Pattern(bulk))
	file := t.TempDir() + "/pattern"
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, sshtest.Pattern(bulk)); err != nil {
		t.Fatal(err)
	}
	s := start(t, l, shell.Spec{Command: "cat " + file + "; cat " + file + " >&2"})
	defer closeLate(s)()
	before := heap()
	out := &flat{Reader: s.Stdout}
	second := make(chan string, 1)
	go func() { second <- sshtest.Digest(s.Stderr) }()
	if got := sshtest.Digest(out); got != want {
		t.Errorf("stdout: %s, want %s", got, want)
	}
	if got := <-second; got != want {
		t.Errorf("stderr: %s, want %s", got, want)
	}
	if exit, err := s.Wait(patient(t)); exit.Status != 0 || err != nil {
		t.Errorf("%v, %v", exit, err)
	}
	if out.most > before+16<<20 {
		t.Errorf("the heap grew from %d to %d", before, out.most)
	}
}

// A reader that never reads stops its own program and nothing else.
func TestNobodyReads(t *testing.T) {
	l, _ := openssh(t)
	stuck := start(t, l, shell.Spec{Command: "cat /dev/zero"})
	deaf := start(t, l, shell.Spec{Command: "sleep 1000"})
	written := make(chan error, 1)
	go func() {
		_, err := io.Copy(deaf.Stdin, sshtest.Pattern(bulk))
		written <- err
	}()
	before := l.Status()
	for range 20 {
		if got := run(t, l, "cat", "words"); got.stdout != "words" {
			t.Fatalf("%+v", got)
		}
	}
	sshtest.Eventually(t, patience, "an answered keepalive", func() bool { return l.Status().RTT > 0 })
	if after := l.Status(); !after.Since.Equal(before.Since) || after.Reconnects != 0 {
		t.Errorf("the link fell: %+v", after)
	}
	// sshd keeps both channels until their processes end; we do not wait for that.
	stuck.Close()
	deaf.Close()
	if err := <-written; err == nil {
		t.Error("all was written")
	}
}
