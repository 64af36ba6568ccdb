package sshtest_test

import (
	"os"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

func TestXvfb(t *testing.T) {
	sshtest.Leaks(t)
	x, other := sshtest.StartXvfb(t), sshtest.StartOpenXvfb(t)
	if x.Number == other.Number {
		t.Errorf("two servers at %s", x.Display)
	}
	first := x.Cookie
	for range 2 {
		if out := x.Run("xdpyinfo"); !strings.Contains(out, "name of display:    "+x.Display) {
			t.Error(out)
		}
		if out, err := sshtest.XCommand(x.Display, os.DevNull, "xdpyinfo").CombinedOutput(); err == nil {
			t.Errorf("without a cookie: %s", out)
		}
		x.Stop()
		x.Start()
	}
	if x.Cookie == first {
		t.Error("the cookie is that of the server before")
	}
	other.Run("xdpyinfo")
}
