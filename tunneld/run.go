package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/daemon"
	"tunneld/profiles"
)

func newRun(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: "Run the daemon in the foreground: all profiles at once, until it is interrupted. It logs to stderr.\n" +
			"A file that is saved takes effect at once; SIGHUP reads all of them again. SIGTERM and Ctrl-C stop listening at once and give open connections 5 s; a second one cuts them.",
		Example: "  tunneld run\n  tunneld run --config ./tunnels",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := g.folders()
			if err != nil {
				return err
			}
			return g.runHosted(c.Context(), f)
		},
	}
}

// host is what a daemon is run by: a terminal, systemd or Windows.
type host struct {
	log   io.Writer           // where the log goes
	noted func(control.Event) // if not nil, hears all that the log does, in its order
	// begins, if not nil, hears after each load that profiles are about to run: the
	// first time, nothing is dialled yet.
	begins func(*daemon.Supervisor)
	reload <-chan os.Signal // asks for a reload
	woken  <-chan struct{}  // if not nil, tells that the machine woke
}

func (h host) hear(e control.Event) {
	if h.noted != nil {
		h.noted(e)
	}
}

func (h host) begin(s *daemon.Supervisor) {
	if h.begins != nil {
		h.begins(s)
	}
}

// runDaemon runs the daemon of f until ctx or a signal ends it.
func (g *globals) runDaemon(ctx context.Context, f folders, h host) error {
	socket, err := g.socketFor(f)
	if err != nil {
		return err
	}
	loader, err := f.loader()
	if err != nil {
		return err
	}
	ignoreBrokenPipe()
	keepFilesOwn()
	if err := forbidCoreDumps(); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	collectLessOften()
	log := newEventLog(h.log)
	defer log.close()
	api, err := listenAPI(f, socket)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process the usual way
	m := newServiceManager()
	context.AfterFunc(ctx, m.stopping)
	listen, settle := handOver(ctx, log.write)
	s := &daemon.Supervisor{
		Version: version(),
		Loader:  loader,
		Account: f.account(),
		Ready:   func() { settle(); m.ready() },
		Pulse:   m.pulse(),
		Alive:   m.alive,
		Listen:  listen,
		Woken:   h.woken,
	}
	s.Noted = func(e control.Event) { log.write(e); m.hear(); h.hear(e) }
	s.Loaded = func(d profiles.Daemon) {
		log.configure(d.LogLevel, d.LogFormat)
		api.open()
		h.begin(s)
	}
	go reloadOn(ctx, h.reload, s, m)
	go m.serveStatus(ctx, s.Status)
	api.start(ctx, s)
	defer api.stop() // when everything else is over
	if err := s.Serve(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// collectLessOften trades a little memory for time: x/crypto and pkg/sftp allocate
// every packet that they receive, and with a heap this small the default collects every
// few MiB of traffic. Measured, 400 takes 14 to 19 % of the processor time of a
// download. GOGC, where it is set, decides.
func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// runOnTerminal runs the daemon of f where signals end it and ask for a reload,
// also by systemd.
func (g *globals) runOnTerminal(ctx context.Context, f folders) error {
	hangups := make(chan os.Signal, 1)
	if wanted := reloadSignals(); len(wanted) > 0 { // Notify without any means all
		signal.Notify(hangups, wanted...)
		defer signal.Stop(hangups)
	}
	return g.runDaemon(ctx, f, host{log: os.Stderr, reload: hangups})
}

// reloadOn reads the profiles again at every signal, until ctx ends.
func reloadOn(ctx context.Context, signals <-chan os.Signal, s *daemon.Supervisor, m *serviceManager) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			m.reloading()
			_, _ = s.Reload(ctx, control.ReloadOptions{}) // what it did is told as events
			m.ready()
		}
	}
}
