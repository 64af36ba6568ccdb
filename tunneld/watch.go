package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"tunneld/control"
)

// lookEvery is how often the live screen asks for the status.
const lookEvery = time.Second

// watchable says why the live screen cannot be shown, or nil.
func watchable(c *cobra.Command) error {
	for _, other := range []string{"json", "wait"} {
		if c.Flags().Changed(other) {
			return &usageError{c, errors.New("--watch and --" + other + " exclude each other")}
		}
	}
	if !isTerminal(os.Stdin) || !isTerminal(os.Stdout) {
		return &usageError{c, errors.New("--watch needs a terminal")}
	}
	if os.Getenv("TERM") == "dumb" {
		return &usageError{c, errors.New("--watch needs a terminal with a cursor that moves: TERM is dumb")}
	}
	return nil
}

// watch shows the live screen, of one profile if it is named, until the person
// leaves it or the program is told to end.
func watch(ctx context.Context, client *control.Client, only string) error {
	var following sync.WaitGroup
	defer following.Wait()
	ctx, end := signal.NotifyContext(ctx, syscall.SIGTERM) // also while the screen is suspended
	defer end()
	w := &world{ctx: ctx, client: client, only: only}
	screen := tea.NewProgram(newLive(w), tea.WithFPS(20), tea.WithFilter(interruptQuits))
	defer context.AfterFunc(ctx, screen.Quit)()
	following.Go(func() { w.follow(screen.Send) })
	_, err := screen.Run()
	return err
}

// interruptQuits makes SIGINT end the screen as the key does: where bubbletea
// interrupts by itself, it takes the keyboard's reader away from under a read.
func interruptQuits(_ tea.Model, msg tea.Msg) tea.Msg {
	if _, interrupted := msg.(tea.InterruptMsg); interrupted {
		return tea.QuitMsg{}
	}
	return msg
}

// world is what the live screen asks: the daemon of client.
type world struct {
	ctx    context.Context // of the screen
	client *control.Client
	only   string // a profile, or ""
}

// seen is what a look at the status came to.
type seen struct {
	status control.Status
	err    error
}

// acted is what became of an action.
type acted struct {
	target target
	action control.Action
	err    error
}

// look asks for the status.
func (w *world) look() tea.Msg {
	s, err := w.client.Status(w.ctx)
	if err == nil && w.only != "" {
		s, err = only(s, w.only)
	}
	return seen{s, err}
}

// act starts, stops or restarts t.
func (w *world) act(action control.Action, t target) tea.Cmd {
	return func() tea.Msg {
		return acted{t, action, act(w.ctx, w.client, action, t)}
	}
}
