package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// running starts a command line on a display, which the end of the test kills.
func (p *process) running(x *sshtest.Xvfb, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := p.commandOn(x, args...)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// windowIDs are the identities of the windows whose title is name.
func windowIDs(x *sshtest.Xvfb, name string) []string {
	var ids []string
	for line := range strings.Lines(x.Run("xwininfo", "-root", "-tree")) {
		if strings.Contains(line, fmt.Sprintf("%q", name)) {
			ids = append(ids, strings.Fields(line)[0])
		}
	}
	return ids
}

// Everyday programs show their windows, and with that of each goes its command.
func TestX11Programs(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	commands := map[string]*exec.Cmd{}
	for _, program := range []string{"xterm", "xclock", "xeyes"} {
		title := "an " + program
		commands[title] = p.running(x, "x11", "work", "--", program, "-title", title)
	}
	for title, cmd := range commands {
		awaitWindows(t, x, title, 1)
		x.Run("xkill", "-id", windowIDs(x, title)[0])
		if cmd.Wait(); windowsOf(x, title) != 0 {
			t.Errorf("%s is still there", title)
		}
	}
}

// A window through tunneld looks as it does without, and so does a picture of it
// that a trusted program of the server takes.
func TestScreenshot(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	p.running(x, "x11", "-Y", "work", "xlogo -title far -geometry 100x100+0+0")
	near := x.Command("xlogo", "-title", "near", "-geometry", "100x100+200+0")
	if err := near.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Process.Kill(); near.Wait() })
	awaitWindows(t, x, "far", 1)
	awaitWindows(t, x, "near", 1)
	const size = 100 * 100 * 4
	sshtest.Eventually(t, patience, "the same picture, of more than one colour", func() bool {
		far, near := x.Run("xwd", "-name", "far"), x.Run("xwd", "-name", "near")
		picture := near[len(near)-size:]
		return far[len(far)-size:] == picture && strings.Count(picture, picture[:4]) < size/4
	})
	out, err := p.commandOn(x, "x11", "-Y", "work", "xwd -name far").Output()
	if err != nil || string(out) != x.Run("xwd", "-name", "far") {
		t.Errorf("%d bytes of another picture: %v", len(out), err)
	}
}

// Fifty windows at once, each a program of its own, in one session.
func TestFiftyWindows(t *testing.T) {
	t.Parallel()
	const many = 50
	x, d := sshtest.StartXvfb(t, "-maxclients", "256"), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) +
		appEntry("many", fmt.Sprintf("for i in $(seq %d); do xlogo -title logo & done; wait", many))})
	p.link(0, "work", "up")
	p.must("launch", "work/many")
	awaitWindows(t, x, "logo", many)
	p.observe("work", "all are counted", func(q control.Profile) bool { return q.X11.Active == many && q.X11.Refused == 0 && q.Sessions == 1 })
	p.must("down", "work/many")
	awaitWindows(t, x, "logo", 0)
	p.observe("work", "none is left", func(q control.Profile) bool { return q.X11.Active == 0 })
}

// OpenGL works for a program that is trusted, and only then: its extension is one
// of those that the others do not see.
func TestGlxgears(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("gears", "glxgears -info")})
	p.link(0, "work", "up")
	mark := p.mark()
	p.must("launch", "-Y", "work/gears")
	awaitWindows(t, x, "glxgears", 1)
	p.says(mark, "GL_RENDERER")
	p.must("restart", "work/gears") // as the profile has it: not trusted
	awaitWindows(t, x, "glxgears", 0)
	p.app("gears", "fails", func(a control.App) bool { return a.Exit == "status 1" })
}
