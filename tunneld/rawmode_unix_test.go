//go:build !windows

package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/creack/pty"

	"tunneld/control"
)

// lineModes are the settings of a terminal's line.
func lineModes(t *testing.T, f *os.File) string {
	t.Helper()
	cmd := exec.Command("stty", "-a")
	cmd.Stdin = f
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// panicking is a backend that does so.
type panicking struct{ backend }

func (panicking) Status() control.Status { panic("oh") }

// A panic of any goroutine that serves the terminal gives it back.
func TestTerminalAfterPanic(t *testing.T) {
	far, near, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	defer near.Close()
	before := lineModes(t, near)
	r := &remote{stdin: near, stdout: near, stderr: near}
	if r.makeRaw(); lineModes(t, near) == before {
		t.Fatal("it is not raw")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nobody hears of the panic")
			}
		}()
		r.act(t.Context(), panicking{}, escapeList)
	}()
	if after := lineModes(t, near); after != before {
		t.Errorf("%s, want %s", after, before)
	}
	if r.makeRaw(); lineModes(t, near) != before {
		t.Error("it is raw again")
	}
}
