package link_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// person answers questions, once somebody has attached one.
type person struct {
	mu     sync.Mutex
	answer func(ctx context.Context, q identity.Question) ([]string, error)
}

func (p *person) Ask(ctx context.Context, q identity.Question) ([]string, error) {
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		return nil, identity.ErrNobody
	}
	return answer(ctx, q)
}

func (p *person) attach(answer func(ctx context.Context, q identity.Question) ([]string, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// passwordServer wants the password "sesame".
func passwordServer(t *testing.T) *sshserver.Server {
	t.Helper()
	srv := &sshserver.Server{Password: func(_, password string) error {
		if password != "sesame" {
			return errors.New("no")
		}
		return nil
	}}
	sshtest.Serve(t, srv)
	return srv
}

func passwordTarget(t *testing.T, srv *sshserver.Server, p *person) link.Target {
	t.Helper()
	_, key := sshtest.NewKey(t)
	tg := target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	tg.Credentials.Methods = []string{"password"}
	tg.Credentials.Asker, tg.Credentials.Memory = p, &identity.Memory{}
	return tg
}

// A blocked link keeps the question and no connection; a fresh attempt asks the
// person that came, who may take longer than connect_timeout.
func TestBlockedUntilAPersonComes(t *testing.T) {
	sshtest.Leaks(t)
	srv, p := passwordServer(t), &person{}
	tg := passwordTarget(t, srv, p)
	tg.ConnectTimeout = 500 * time.Millisecond
	l, _ := serve(t, tg)
	err := await(t, l, link.Blocked).Err
	var open *identity.Unanswered
	if fault.CodeOf(err) != fault.NeedsPassword || !errors.As(err, &open) || len(open.Question.Prompts) != 1 {
		t.Fatalf("%v has the question %+v", err, open)
	}
	sshtest.Eventually(t, patience, "no connection", func() bool { return srv.KillConnections() == 0 })
	began := time.Now()
	p.attach(func(ctx context.Context, _ identity.Question) ([]string, error) {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > 110*time.Second || time.Until(end) < 100*time.Second {
			t.Errorf("the person has until %v", end)
		}
		<-time.After(2 * tg.ConnectTimeout)
		return []string{"sesame"}, ctx.Err()
	})
	l.Wake()
	await(t, l, link.Up)
	if took := time.Since(began); took < 2*tg.ConnectTimeout {
		t.Errorf("up after %s", took)
	}
	p.attach(nil) // the password is remembered
	srv.KillConnections()
	sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects == 1 })
}

// The deadline goes on after the answer.
func TestDeadlineAfterAnswer(t *testing.T) {
	sshtest.Leaks(t)
	over := make(chan struct{})
	srv := &sshserver.Server{Password: func(string, string) error { <-over; return errors.New("late") }}
	sshtest.Serve(t, srv)
	t.Cleanup(func() { close(over) })
	p := &person{}
	p.attach(func(context.Context, identity.Question) ([]string, error) { return []string{"sesame"}, nil })
	tg := passwordTarget(t, srv, p)
	tg.ConnectTimeout = 500 * time.Millisecond
	l, _ := serve(t, tg)
	if err := failure(t, l); fault.CodeOf(err) != fault.HandshakeTimeout {
		t.Error(err)
	}
}

// Nobody is kept at a question when the server has gone.
func TestServerLeavesWhileAsked(t *testing.T) {
	sshtest.Leaks(t)
	srv, p := passwordServer(t), &person{}
	p.attach(func(ctx context.Context, _ identity.Question) ([]string, error) {
		srv.KillConnections()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	l, _ := serve(t, passwordTarget(t, srv, p))
	err := await(t, l, link.Blocked).Err
	if fault.CodeOf(err) != fault.NeedsPassword || !strings.Contains(err.Error(), "closed the connection while") {
		t.Error(err)
	}
}

// A question of a jump host blocks the link, and names the hop.
func TestQuestionOfAHop(t *testing.T) {
	sshtest.Leaks(t)
	srv, d, p := passwordServer(t), sshtest.StartSSHD(t), &person{}
	jump := passwordTarget(t, srv, p)
	tg := sshdTarget(t, d)
	tg.Jumps = []link.Target{jump}
	l, _ := serve(t, tg)
	err := await(t, l, link.Blocked).Err
	var open *identity.Unanswered
	if !errors.As(err, &open) || !strings.Contains(err.Error(), "ana@"+srv.Addr()) || open.Question.Server != "ana@"+srv.Addr() || open.Question.FromServer {
		t.Errorf("%v with the question %+v", err, open)
	}
	p.attach(func(_ context.Context, q identity.Question) ([]string, error) {
		if q.Server != open.Question.Server {
			t.Errorf("asked for %s", q.Server)
		}
		return []string{"sesame"}, nil
	})
	l.Wake()
	await(t, l, link.Up)
}

// The unknown key is kept with the failure, for whoever shows it to a person.
func TestUnknownKeyIsKept(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	tg := target(t, srv.Addr(), "ana", key, t.TempDir()+"/known_hosts")
	l, _ := serve(t, tg)
	var unknown *identity.Unknown
	if err := await(t, l, link.Blocked).Err; !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	if _, err := tg.HostKeys.Learn(unknown.Name, unknown.Key); err != nil {
		t.Fatal(err)
	}
	await(t, l, link.Up)
}

// Two links that meet a new server at once both come up, and one line is
// written.
func TestAcceptNewRacing(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	tg := sshdTarget(t, d)
	tg.HostKeys = identity.HostKeys{Files: []string{t.TempDir() + "/known_hosts"}, AcceptNew: true}
	a, ra := serve(t, tg)
	b, rb := serve(t, tg)
	await(t, a, link.Up)
	await(t, b, link.Up)
	said := strings.Join(append(ra.details("host key verified"), rb.details("host key verified")...), "\n")
	if !strings.Contains(said, "learned: "+tg.HostKeys.Files[0]) {
		t.Errorf("said %q", said)
	}
	if lines := strings.Count(read(t, tg.HostKeys.Files[0]), "\n"); lines != 1 {
		t.Errorf("%d lines", lines)
	}
	d.ReplaceHostKeys()
	d.KillConnections()
	if err := await(t, a, link.Refused).Err; fault.CodeOf(err) != fault.HostKeyChanged {
		t.Errorf("after a change: %v", err)
	}
}

// An attempt that waits for a person keeps no place from the others.
func TestAskingLeavesThePlace(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{Password: func(string, string) error { return nil }}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	tg := target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	tg.Credentials.Methods = []string{"password"}
	left, answer := make(chan struct{}), make(chan struct{})
	tg.Credentials.Asker = patient{answer}
	l := link.New(tg)
	l.Admit = func(context.Context, string) (func(), error) { return func() { close(left) }, nil }
	stop := sshtest.Run(t, l)
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("it kept its place while it asked")
	}
	close(answer)
	await(t, l, link.Up)
	stop()
}

// patient answers when it is told to.
type patient struct{ now <-chan struct{} }

func (p patient) Ask(ctx context.Context, _ identity.Question) ([]string, error) {
	select {
	case <-p.now:
		return []string{"secret"}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
