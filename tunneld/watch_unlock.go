package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	tea "charm.land/bubbletea/v2"

	"tunneld/control"
)

// answered is the end of a conversation about what a profile waits for.
type answered struct{ err error }

// interlude is tunneld unlock or trust in a process of its own, while the
// screen is suspended: an interrupted read of the terminal ends with it, and
// takes no key from the screen. It implements tea.ExecCommand.
type interlude struct {
	ctx     context.Context
	client  *control.Client
	profile string
}

// answer suspends the screen for a conversation.
func (w *world) answer(profile string) tea.Cmd {
	return tea.Exec(&interlude{w.ctx, w.client, profile}, func(err error) tea.Msg { return answered{err} })
}

// The conversation is with the terminal, whatever the screen has.
func (i *interlude) SetStdin(io.Reader)  {}
func (i *interlude) SetStdout(io.Writer) {}
func (i *interlude) SetStderr(io.Writer) {}

// Run lets the person read what went wrong before the screen comes back.
func (i *interlude) Run() error {
	p, waits, err := findPrompt(i.ctx, i.client, i.profile)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	verb := "unlock"
	if waits && p.HostKey != nil {
		verb = "trust"
	}
	cmd := exec.CommandContext(i.ctx, self, verb, i.profile, "--socket", i.client.Path())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it mends the terminal first
	cmd.WaitDelay = time.Second
	if cmd.Run() != nil && i.ctx.Err() == nil {
		i.pause()
	}
	return nil
}

// pause waits for Enter, or the end of the screen.
func (i *interlude) pause() {
	fmt.Fprint(os.Stderr, "Enter goes back to the screen ")
	entered := make(chan struct{})
	go awaitEnter(os.Stdin, entered)
	select {
	case <-entered:
	case <-i.ctx.Done():
	}
}

func awaitEnter(r io.Reader, entered chan<- struct{}) {
	_, _ = readLine(bufio.NewReader(r)) // the end of the input is as good
	close(entered)
}
