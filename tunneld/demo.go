package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tunneld/control"
	"tunneld/daemon"
	"tunneld/internal/demo"
	"tunneld/internal/terminal"
)

// demoPatience bounds each thing that the demo waits for.
const demoPatience = 20 * time.Second

func newDemo() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show tunneld at work, on this machine alone",
		Long: "Run everything in one process on loopback: an SSH server with throw-away keys, a web server behind it, and a profile with a local and a remote forward.\n" +
			"Press k to kill the connection and see it come back, t for the table, q to end.",
		Example: "  tunneld demo\n  tunneld demo --once",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), stopSignals()...)
			defer stop()
			err := runDemo(ctx, c.OutOrStdout(), once)
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	c.Flags().BoolVar(&once, "once", false, "do a round trip, kill the connection, do it again, and exit")
	return c
}

// show is a demo that runs.
type show struct {
	out        io.Writer
	site       *demo.Site
	supervisor *daemon.Supervisor
}

func runDemo(ctx context.Context, out io.Writer, once bool) (err error) {
	site, err := demo.Build()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	f := folders{config: site.Dir}
	loader, err := f.loader()
	if err != nil {
		return err
	}
	s := &show{out: out, site: site, supervisor: &daemon.Supervisor{Version: version(), Loader: loader}}
	if !once {
		s.supervisor.Noted = s.tell
	}
	ctx, end := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer end()
	work.Go(func() { _ = site.Serve(ctx) })
	work.Go(func() { _ = s.supervisor.Serve(ctx) })
	if err := s.awaitUp(ctx, 0); err != nil {
		return err
	}
	s.introduce()
	if once {
		return s.once(ctx)
	}
	return s.play(ctx, end)
}

// introduce prints what was built and what to try.
func (s *show) introduce() {
	fmt.Fprintf(s.out, "An SSH server runs on %s, with a web server behind it. This profile leads there:\n\n", s.site.Server)
	for line := range strings.Lines(s.site.Profile) {
		fmt.Fprint(s.out, "    ", line)
	}
	fmt.Fprintln(s.out)
	s.table()
	fmt.Fprintf(s.out, "\nTry the local forward, and the remote one:\n\n    curl http://%s/\n    curl http://%s/\n\n", s.site.Local, s.site.Remote)
}

func (s *show) table() { printTable(s.out, s.supervisor.Status(), time.Now()) }

// tell prints what happens to the link.
func (s *show) tell(e control.Event) {
	if e.Kind != "link" || e.State == "" {
		return
	}
	line := e.Time.Format("15:04:05.000 ") + e.Message
	if e.Code != "" {
		line += " (" + string(e.Code) + ")"
	}
	fmt.Fprintln(s.out, line)
}

// once does the round trip, the kill and the recovery by itself.
func (s *show) once(ctx context.Context) error {
	if err := s.roundTrip(ctx); err != nil {
		return err
	}
	start := time.Now()
	if s.site.Kill() == 0 {
		return errors.New("there was no connection to kill")
	}
	fmt.Fprintln(s.out, "\nThe connection was killed; the local port stays, and a request in the gap waits:")
	if err := s.fetch(ctx, s.site.Local); err != nil {
		return err
	}
	if err := s.awaitUp(ctx, 1); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nBack after %s:\n", time.Since(start).Round(time.Millisecond))
	if err := s.roundTrip(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	s.table()
	return nil
}

func (s *show) roundTrip(ctx context.Context) error {
	if err := s.fetch(ctx, s.site.Local); err != nil {
		return err
	}
	return s.fetch(ctx, s.site.Remote)
}

// fetch asks a web server through a forward and prints what it says.
func (s *show) fetch(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "  GET http://%s/  %s", address, text)
	return nil
}

// awaitUp waits until the link is up after a number of reconnects, and every
// forward listens.
func (s *show) awaitUp(ctx context.Context, reconnects int) error {
	deadline := time.After(demoPatience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if p := s.supervisor.Status().Profiles; len(p) == 1 && p[0].Reconnects >= reconnects && isServing(p[0]) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			s.table()
			return errors.New("the demo did not come up; the table above says why")
		}
	}
}

func isServing(p control.Profile) bool {
	for _, f := range p.Forwards {
		if f.State != "listening" {
			return false
		}
	}
	return p.State == "up"
}

// play obeys the keys until ctx ends.
func (s *show) play(ctx context.Context, end func()) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintln(s.out, "Ctrl-C ends the demo.")
		<-ctx.Done()
		return nil
	}
	restore, err := terminal.Keys(os.Stdin)
	if err != nil {
		return err
	}
	defer restore()
	fmt.Fprintln(s.out, "k kills the connection, t prints the table, q ends the demo.")
	keys := make(chan byte)
	go readKeys(ctx, os.Stdin, keys) // a read of a terminal ends with the process only
	for {
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			switch key {
			case 'k':
				s.site.Kill()
			case 't':
				s.table()
			case 'q':
				end()
			}
		}
	}
}

func readKeys(ctx context.Context, in io.Reader, keys chan<- byte) {
	buffer := make([]byte, 1)
	for {
		if _, err := in.Read(buffer); err != nil {
			return
		}
		select {
		case keys <- buffer[0]:
		case <-ctx.Done():
			return
		}
	}
}
