package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tunneld/control"
	"tunneld/daemon"
	"tunneld/fault"
)

func newTrace(g *globals) *cobra.Command {
	var asJSON, forwards bool
	c := &cobra.Command{
		Use:   "trace PROFILE",
		Short: "Show a fresh connection, step by step",
		Long: "Make a fresh connection as the profile says and print every step with its time: name and addresses, versions, algorithms, " +
			"the host key and the verdict, each attempt to authenticate. It stops at the step that fails, says why, and what to do.\n" +
			"What runs is not touched. The daemon makes the connection where one answers that knows the profile, else this command does.",
		Example: "  tunneld trace work\n  tunneld trace work --forwards\n  tunneld trace work --json",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			t := &tracer{out: c.OutOrStdout(), json: asJSON, start: time.Now()}
			return t.run(c.Context(), g, args[0], control.TraceOptions{Forwards: forwards})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, one event a line")
	c.Flags().BoolVar(&forwards, "forwards", false, "ask for each forward too, and give it up again")
	return c
}

// tracer prints the steps of a connection.
type tracer struct {
	out   io.Writer
	json  bool
	brief bool // without the long offers of algorithms
	start time.Time
}

func (t *tracer) run(ctx context.Context, g *globals, profile string, opts control.TraceOptions) error {
	return g.examine(ctx, profile, func(b backend) error { return b.Trace(ctx, profile, opts, t.print) })
}

// examiner makes fresh connections: a daemon's client, or a supervisor in this
// process.
type examiner interface {
	Trace(ctx context.Context, profile string, opts control.TraceOptions, tell func(control.Event)) error
	Check(ctx context.Context, profile string) (control.CheckResult, error)
	CheckX11(ctx context.Context, profile string, r control.X11Request) (control.CheckResult, error)
}

// examine asks the daemon where one answers that knows the profile, and else a
// supervisor in this process.
func (g *globals) examine(ctx context.Context, profile string, ask func(backend) error) error {
	client, err := g.connect(ctx)
	if err == nil {
		err = ask(client)
	}
	if code := fault.CodeOf(err); code != fault.DaemonNotRunning && code != fault.UnknownProfile {
		return err
	}
	s, err := g.local()
	if err != nil {
		return err
	}
	for _, p := range s.Open() {
		if p.File == profileFile(profile) && !p.Warning {
			return fault.New(fault.BadProfile, "", "%s:%d: %s: %s", p.File, p.Line, p.Key, p.Message)
		}
	}
	return ask(s)
}

func (t *tracer) print(e control.Event) {
	if t.json {
		line, _ := json.Marshal(e) // an event has nothing that cannot be encoded
		fmt.Fprintf(t.out, "%s\n", line)
		return
	}
	if t.brief && (e.Message == "server offers" || e.Message == "we offer") {
		return
	}
	text := e.Message
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Code != "" {
		text += " (" + string(e.Code) + ")"
	}
	fmt.Fprintf(t.out, "%8.1f ms  %-8s  %s\n", float64(e.Time.Sub(t.start).Microseconds())/1000, e.Step, text)
}

// local returns a supervisor in this process, whose links ask on this terminal:
// for a command where no daemon answers.
func (g *globals) local() (*daemon.Supervisor, error) {
	f, err := g.folders()
	if err != nil {
		return nil, err
	}
	loader, err := f.loader()
	if err != nil {
		return nil, err
	}
	loader.ReadOnly = true
	s := &daemon.Supervisor{Version: version(), Loader: loader, Account: f.account()}
	if asker := askerHere(); asker != nil {
		s.Person = asker
	}
	return s, nil
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
