package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/files"
)

func newCp(g *globals) *cobra.Command {
	var quiet bool
	var how files.Copier
	c := &cobra.Command{
		Use:   "cp [-r] [-p] SRC... DST",
		Short: "Copy files to or from a server",
		Long: "Copy files over SFTP, on the connection that is up. One side is PROFILE:path, where a relative path begins at the account's home; " +
			"./x:y is a file of this machine, and no character of a path is a pattern. An existing folder as DST is copied into, as with cp.\n" +
			"A file takes its place only when it is whole: one that is there already is never left broken. When the connection is lost, the copy waits for the " +
			"next one and goes on. Symbolic links are followed. What cannot be copied is told, and the rest is copied.",
		Example: "  tunneld cp notes.txt work:\n  tunneld cp -r work:/var/log/app .\n  tunneld cp --resume work:big.iso work:other.iso ~/Downloads",
		Args:    arguments(2, anyNumber),

		ValidArgsFunction: g.completeEnds,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := parseTransfer(args)
			if err != nil {
				return &usageError{c, err}
			}
			ctx, stop := signal.NotifyContext(c.Context(), stopSignals()...)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends it outright
			return newCopy(g, t, how, newCopyBar(c.ErrOrStderr(), quiet)).run(ctx)
		},
	}
	c.Flags().BoolVarP(&how.Recursive, "recursive", "r", false, "copy folders too")
	c.Flags().BoolVarP(&how.Preserve, "preserve", "p", false, "keep permissions and times")
	c.Flags().BoolVar(&how.Resume, "resume", false, "keep what was copied of a file when it breaks off, and go on there the next time")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return c
}

// sessionAgain is the pause before another session is tried on a server that is away.
const sessionAgain = time.Second

// copyRun is one cp.
type copyRun struct {
	transfer
	globals *globals
	how     files.Copier
	bar     *copyBar
	begun   bool // there was a session
}

func newCopy(g *globals, t transfer, how files.Copier, b *copyBar) *copyRun {
	r := &copyRun{transfer: t, globals: g, how: how, bar: b}
	r.how.Open, r.how.Server = r.open, t.profile
	r.how.Progress = b.move
	r.how.Failed = func(err error) { b.say("tunneld: " + err.Error()) }
	return r
}

func (r *copyRun) run(ctx context.Context) error {
	collectLessOften()
	var err error
	if r.up {
		err = r.how.Upload(ctx, r.sources, r.target)
	} else {
		err = r.how.Download(ctx, r.sources, r.target)
	}
	r.bar.end()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// open opens a session: by the daemon, or by a supervisor of this process. When one
// was lost, it waits for as long as the link is expected to come back.
func (r *copyRun) open(ctx context.Context) (io.ReadWriteCloser, error) {
	for tries := 1; ; tries++ {
		pipe, err := r.session(ctx)
		switch {
		case err == nil:
			r.begun = true
			return pipe, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !r.begun || !comesBack(err, tries):
			return nil, err
		}
		r.bar.wait(r.profile)
		select {
		case <-time.After(sessionAgain):
		case <-ctx.Done():
		}
	}
}

// copier opens SFTP sessions on the live link.
type copier interface {
	SFTP(ctx context.Context, profile string) (control.Pipe, error)
}

// session opens one session, which outlives ctx: what is unfinished is removed first.
func (r *copyRun) session(ctx context.Context) (pipe control.Pipe, err error) {
	session, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	defer stop()
	err = r.globals.examine(session, r.profile, func(b backend) (err error) {
		pipe, err = b.SFTP(session, r.profile)
		return err
	})
	return pipe, err
}

// strangeTries is how often a failure without a code is tried again, such as that of
// a daemon that is about to die.
const strangeTries = 5

// comesBack reports whether another session may be had after err.
func comesBack(err error, tries int) bool {
	code := fault.CodeOf(err)
	if code == "" {
		return tries < strangeTries
	}
	return code == fault.HoldExpired || code.Reaction() == fault.Retry && slices.Contains([]string{"transport", "link"}, code.Group())
}

// completeEnds completes the arguments of cp: files, and PROFILE: before a path.
func (g *globals) completeEnds(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if strings.ContainsAny(typed, `/\:`) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var starts []cobra.Completion
	for _, name := range profileNames(g.names(c.Context())) {
		starts = append(starts, fmt.Sprint(name, ":"))
	}
	fit := completing(typed, nil, starts)
	if len(fit) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return fit, cobra.ShellCompDirectiveNoSpace
}
