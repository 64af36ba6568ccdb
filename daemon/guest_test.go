package daemon

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// A single connection is told, refused and ended as a session is.
func TestDialIsNoted(t *testing.T) {
	text, _ := sessionProfile(t)
	s, told := supervise(t, map[string]string{"work": text, "closed": text + "shell.enabled = false\n"})
	awaitProfile(t, s, "work", "up")
	awaitProfile(t, s, "closed", "up")
	echo := sshtest.Echo(t)
	if _, err := s.Dial(t.Context(), "closed", echo.Addr); fault.CodeOf(err) != fault.SessionDenied || !strings.Contains(fault.HintOf(err), "shell.enabled") {
		t.Error(err)
	}
	if _, err := s.Dial(t.Context(), "work", "127.0.0.1:1"); fault.CodeOf(err) != fault.TargetRefused {
		t.Error(err)
	}
	p, err := s.Dial(t.Context(), "work", echo.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.profile("work").Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	if err := s.Act(t.Context(), control.Down, "work", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(p); err == nil || err.Error() != "work was stopped" {
		t.Error(err)
	}
	p.Close()
	p.Close()
	if !told.has(func(e control.Event) bool {
		return e.Message == "session ended" && strings.HasPrefix(e.Detail, "work was stopped: ")
	}) {
		t.Error("no event says why it ended")
	}
	for _, want := range []string{"session opened", "session ended", "session refused"} {
		if !told.has(func(e control.Event) bool {
			return e.Profile == "work" && e.Message == want && strings.Contains(e.Detail, "a connection to 127.0.0.1:") && strings.Contains(e.Detail, "for this process")
		}) {
			t.Errorf("no event says %q", want)
		}
	}
	if told.has(func(e control.Event) bool { return e.Profile == "closed" && strings.Contains(fmt.Sprint(e), echo.Addr) }) {
		t.Error("an event of what the profile forbids")
	}
}

// A copy whose end is ours ended well.
func TestEndOfCopyIsNoted(t *testing.T) {
	text, _ := sessionProfile(t)
	s, told := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	p, err := s.SFTP(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	p.(*sftpPipe).program.Close()
	if _, err := io.ReadAll(p); err == nil {
		t.Error("it reads on")
	}
	p.Close()
	if !told.has(func(e control.Event) bool {
		return e.Message == "session ended" && strings.HasPrefix(e.Detail, "a copy, after ")
	}) {
		t.Error("no event says that it ended")
	}
}
