package sshtest

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Eventually returns once ok does, looking again every few milliseconds, and
// fails the test when that has not happened before timeout. what is the
// condition in words.
func Eventually(t testing.TB, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Leaks fails the test if it ends with more goroutines or, on Linux, more open
// descriptors than it has now. It is to be called first, so that it looks when
// every later cleanup is done, and not from parallel tests.
func Leaks(t testing.TB) {
	t.Helper()
	warmUp(t)
	goroutines, descriptors := goleak.IgnoreCurrent(), openDescriptors()
	t.Cleanup(func() {
		goleak.VerifyNone(t, goroutines)
		now := openDescriptors()
		for wait := time.Millisecond; now > descriptors && wait < time.Second; wait *= 2 {
			runtime.GC() // closes the pipes that io.Copy keeps to splice with
			time.Sleep(wait)
			now = openDescriptors()
		}
		if now > descriptors {
			t.Errorf("%d open descriptors, there were %d", now, descriptors)
		}
	})
}

// warmUp lets the runtime open the descriptors of its poller, which it keeps.
func warmUp(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}

// openDescriptors is 0 where the system does not tell; Wine would show its own.
func openDescriptors() int {
	if runtime.GOOS == "windows" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// NeedUnix skips a test on Windows, which does not have what it needs.
func NeedUnix(t testing.TB, what string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not have " + what)
	}
}
