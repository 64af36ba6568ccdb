package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
	"tunneld/shell"
)

// hangUpTime bounds how long a program may take to be told that nobody attends
// it any more.
const hangUpTime = 500 * time.Millisecond

// Session implements control.Daemon: a session on the profile's live link.
func (s *Supervisor) Session(ctx context.Context, profile string, r control.SessionRequest, streams control.SessionStreams) (control.SessionExit, error) {
	v, err := s.visit(ctx, profile)
	if err != nil {
		return control.SessionExit{}, err
	}
	defer v.leave()
	exit, err := v.attend(r, streams)
	return wireExit(exit), v.explain(err)
}

// attend runs what somebody asks for, with the windows that they want.
func (v visit) attend(r control.SessionRequest, streams control.SessionStreams) (shell.Exit, error) {
	if err := v.mayOpen(r); err != nil || r.X11 == nil {
		if err != nil {
			return shell.Exit{}, err
		}
		return v.session(r, streams, nil)
	}
	wish := *r.X11
	wish.Trusted = wish.Trusted || v.profile.X11.Trusted
	shown, err := v.show(wish)
	if err != nil {
		return shell.Exit{}, err
	}
	defer shown.release(v.ctx)
	return v.session(r, streams, shown)
}

func wireExit(e shell.Exit) control.SessionExit {
	return control.SessionExit{Status: e.Status, Signal: string(e.Signal), Core: e.Core, Reason: e.Reason}
}

// session opens a session and serves it to its end. shown is where its windows
// go, or nil.
func (v visit) session(r control.SessionRequest, streams control.SessionStreams, shown *showing) (shell.Exit, error) {
	ctx, remove, err := v.tunnel.sessions.add(v.ctx, r.Terminal != nil)
	if err != nil {
		return shell.Exit{}, err
	}
	defer remove()
	if r.Agent {
		release, err := v.tunnel.lendAgent(v.profile.Auth)
		if err != nil {
			return shell.Exit{}, err
		}
		defer release()
	}
	spec := sessionSpec(v.profile.Shell, r)
	spec.X11 = shown.request()
	program, err := v.start(ctx, spec)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		v.noteSession("session refused", "", describeSession(r), err)
		return shell.Exit{}, err
	}
	began := time.Now()
	v.noteSession("session opened", "", describeSession(r), nil)
	exit, err := (&attended{session: program, near: streams}).run(ctx)
	v.noteSession("session ended", exit.String(), fmt.Sprintf("%s, after %s", describeSession(r), time.Since(began).Round(time.Millisecond)), err)
	return exit, err
}

// mayOpen refuses what the profile forbids.
func (v visit) mayOpen(r control.SessionRequest) error {
	if r.Agent && !v.profile.Auth.ForwardAgent {
		return fault.New(fault.PermissionDenied, fault.Session, "the profile does not let the server use the agent").
			WithHint("set auth.forward_agent = true in %s, if the server's administrators may use your keys", v.profile.Name)
	}
	return v.allowed()
}

// sessionSpec is what the server is asked for. What the command brings counts
// more than what the profile says.
func sessionSpec(p profiles.Shell, r control.SessionRequest) shell.Spec {
	spec := shell.Spec{Command: cmp.Or(r.Command, p.Command), Agent: r.Agent}
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		spec.Env = append(spec.Env, name+"="+p.Env[name])
	}
	spec.Env = append(spec.Env, r.Env...)
	if t := r.Terminal; t != nil {
		spec.Terminal = &shell.Terminal{Type: t.Type, Size: shell.Size(t.Size), Modes: t.Modes}
	}
	return spec
}

func (v visit) start(ctx context.Context, spec shell.Spec) (*shell.Session, error) {
	channel, requests, err := v.tunnel.link.Session(ctx, v.hold)
	if err != nil {
		return nil, err
	}
	spec.AgentGiven = v.tunnel.isAgentGiven()
	session, err := shell.Start(ctx, channel, requests, spec)
	if err == nil && spec.Agent {
		v.tunnel.setAgentGiven()
	}
	return session, err
}

// describeSession says what kind of session it is: never what is typed, nor the
// command, which may hold a secret.
func describeSession(r control.SessionRequest) string {
	kind := "a shell"
	if r.Command != "" {
		kind = "a command"
	}
	if r.Terminal != nil {
		kind += " with a terminal"
	}
	if r.X11 != nil {
		kind += " with windows"
	}
	if r.Agent {
		kind += " and the agent"
	}
	return kind
}

// noteSession tells of a session, and for whom it is.
func (v visit) noteSession(message, outcome, what string, err error) {
	e := control.Event{Kind: "session", Level: control.Info, Profile: v.profile.Name, App: v.app, Step: fault.Session, Message: message}
	if err != nil {
		describe(&e, err)
		if e.Code != "" {
			e.Level = control.Warn
		}
		outcome = e.Detail
	}
	who := "for this process"
	if v.app != "" {
		what, who = "the program", "as the profile says"
	}
	if peer, ok := control.PeerOf(v.ctx); ok {
		who = fmt.Sprintf("for user %s, pid %d", peer.User, peer.PID)
	}
	e.Detail = strings.TrimPrefix(fmt.Sprintf("%s: %s, %s", outcome, what, who), ": ")
	v.tunnel.journal.note(e)
}

// attended is a program whose streams somebody attends.
type attended struct {
	session *shell.Session
	near    control.SessionStreams

	mu     sync.Mutex // guards what follows
	failed error      // of a stream at this end
}

// run serves the program until its end and the end of its output. The end of ctx
// hangs it up.
func (a *attended) run(ctx context.Context) (shell.Exit, error) {
	defer a.session.Close()
	hung := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() { a.hangUp(); close(hung) })
	if a.near.Started != nil {
		a.near.Started()
	}
	over := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() { a.steer(over) })
	go a.feed() // nothing ends a read of the terminal
	var outputs sync.WaitGroup
	outputs.Go(func() { a.put(a.near.Stdout, a.session.Stdout) })
	outputs.Go(func() { a.put(a.near.Stderr, a.session.Stderr) })
	outputs.Wait()
	exit, err := a.session.Wait(context.WithoutCancel(ctx))
	close(over)
	work.Wait()
	if !unwatch() {
		<-hung
		return exit, cmp.Or(context.Cause(ctx), err)
	}
	return exit, cmp.Or(a.failure(), err)
}

// hangUp tells the program that nobody attends it any more, and ends the session.
func (a *attended) hangUp() {
	limit := time.AfterFunc(hangUpTime, func() { a.session.Close() })
	defer limit.Stop()
	_ = a.session.Signal(ssh.SIGHUP)
	a.session.Close()
}

// feed sends what this end's Stdin has. A program that reads no more is its own
// business.
func (a *attended) feed() {
	if a.near.Stdin != nil {
		_, _ = io.Copy(a.session.Stdin, a.near.Stdin)
	}
	_ = a.session.Stdin.Close()
}

// put writes what the program says. Where that fails, the session ends.
func (a *attended) put(to io.Writer, from io.Reader) {
	if to == nil {
		to = io.Discard
	}
	far := &farReader{Reader: from}
	if _, err := io.Copy(to, far); err != nil && far.err == nil {
		a.mu.Lock()
		a.failed = errors.Join(a.failed, err)
		a.mu.Unlock()
		a.hangUp()
	}
}

func (a *attended) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// farReader tells an error of the session from one of this end.
type farReader struct {
	io.Reader
	err error
}

func (r *farReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// steer passes on resizes and signals until the session is over. The server may
// ignore both.
func (a *attended) steer(over <-chan struct{}) {
	for {
		select {
		case size := <-a.near.Resizes:
			_ = a.session.Resize(shell.Size(size))
		case name := <-a.near.Signals:
			_ = a.session.Signal(ssh.Signal(name))
		case <-over:
			return
		}
	}
}
