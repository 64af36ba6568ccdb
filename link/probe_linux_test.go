package link_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunneld/internal/sshtest"
	"tunneld/link"
)

// unanswered returns an address that answers no connect: its queue is full.
func unanswered(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return addr
}

// An attempt that waits for an answer to its connect begins anew, with all of
// its time.
func TestProbeBeginsAConnectAnew(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	tg := unhurried(target(t, unanswered(t), "ana", key, key))
	tg.ConnectTimeout = time.Hour
	l, r := serve(t, tg)
	for n := 1; n <= 3; n++ {
		sshtest.Eventually(t, patience, "another attempt", func() bool {
			l.Probe(time.Second)
			return r.attempts() > n
		})
	}
	if s := l.Status(); s.State != link.Connecting || s.Err != nil {
		t.Errorf("status %+v", s)
	}
}
