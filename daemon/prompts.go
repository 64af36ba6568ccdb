package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// desk is where a profile's link asks, and where people answer. A question
// outlives its connection: an attempt that nobody attends ends, the link is
// blocked and keeps the question, and the answer starts a fresh attempt with
// the person attached. What such an attempt asks beyond that waits for the
// person, up to the limit that the link sets. The desk is the identity.Asker of
// its link.
type desk struct {
	mu       sync.Mutex // guards what follows
	attended bool       // a person answered, and the attempt that followed is under way
	given    *answered  // what the person answered, until the attempt asks for it
	live     *asking    // what the attended attempt asks now
}

// answered is a kept question with its answers.
type answered struct {
	question identity.Question
	answers  []string
}

// asking is a question that an attempt waits with.
type asking struct {
	id       string
	question identity.Question
	since    time.Time
	answers  chan []string // holds one: the first answer wins
}

// Ask answers with what a person gave for this very question, from the same
// server and with the same words, or waits for one who attends, or says that
// nobody is there.
func (d *desk) Ask(ctx context.Context, q identity.Question) ([]string, error) {
	d.mu.Lock()
	if g := d.given; g != nil && reflect.DeepEqual(g.question, q) {
		d.given = nil
		d.mu.Unlock()
		return g.answers, nil
	}
	if !d.attended {
		d.mu.Unlock()
		return nil, identity.ErrNobody
	}
	a := &asking{id: rand.Text(), question: q, since: time.Now(), answers: make(chan []string, 1)}
	d.live = a
	d.mu.Unlock()
	defer d.settle(a)
	select {
	case answers := <-a.answers:
		return answers, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// settle takes a question off the desk.
func (d *desk) settle(a *asking) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live == a {
		d.live = nil
	}
}

// attend keeps the answers for the attempt that the caller starts next.
func (d *desk) attend(q identity.Question, answers []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attended, d.given = true, &answered{q, answers}
}

// leave ends the attendance, when its attempt is over.
func (d *desk) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attended, d.given = false, nil
}

// waiting returns the live question, or nil.
func (d *desk) waiting() *asking {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live
}

// prompt returns what the tunnel waits for from a person.
func (t *tunnel) prompt() (control.Prompt, bool) {
	if a := t.desk.waiting(); a != nil {
		p := control.Prompt{ID: t.name + "/" + a.id, Profile: t.name, Since: a.since}
		putQuestion(&p, a.question)
		return p, true
	}
	return t.kept(t.link.Status())
}

// kept returns the question that a link's status holds.
func (t *tunnel) kept(s link.Status) (control.Prompt, bool) {
	p := control.Prompt{Profile: t.name, Server: serverName(t.current()), Prompts: []control.PromptLine{}}
	if s.State != link.Blocked && s.State != link.Refused {
		return p, false
	}
	p.ID, p.Since, p.Code = fmt.Sprintf("%s/%x", t.name, s.Since.UnixNano()), s.Since, fault.CodeOf(s.Err)
	var question *identity.Unanswered
	var unknown *identity.Unknown
	switch {
	case errors.As(s.Err, &unknown):
		p.HostKey = hostKeyPrompt(unknown)
	case errors.As(s.Err, &question):
		putQuestion(&p, question.Question)
	default:
		return p, false
	}
	return p, true
}

func putQuestion(p *control.Prompt, q identity.Question) {
	p.Code, p.Name, p.Instruction, p.Server = q.Code, q.Name, q.Instruction, q.Server
	p.Prompts = []control.PromptLine{}
	p.FromServer = q.FromServer
	for _, line := range q.Prompts {
		p.Prompts = append(p.Prompts, control.PromptLine{Text: line.Text, Echo: line.Echo})
	}
}

func hostKeyPrompt(u *identity.Unknown) *control.HostKeyPrompt {
	out := &control.HostKeyPrompt{Name: u.Name, Type: u.Key.Type(), Fingerprint: ssh.FingerprintSHA256(u.Key), Known: []control.KnownHostKey{}}
	for _, k := range u.Known {
		out.Known = append(out.Known, control.KnownHostKey{At: fmt.Sprintf("%s:%d", k.File, k.Line), Type: k.Type, Fingerprint: k.Fingerprint})
	}
	return out
}

// answer takes a person's answer to the prompt with the id. found is false when
// the tunnel does not ask that (any more).
func (t *tunnel) answer(a control.Answer) (found bool, err error) {
	if live := t.desk.waiting(); live != nil && t.name+"/"+live.id == a.ID {
		return true, deliver(live, a.Answers)
	}
	s := t.link.Status()
	if p, waits := t.kept(s); !waits || p.ID != a.ID {
		return false, nil
	}
	var question *identity.Unanswered
	var unknown *identity.Unknown
	switch {
	case errors.As(s.Err, &unknown):
		if err := t.trust(unknown, a); err != nil {
			return true, err
		}
	case errors.As(s.Err, &question):
		if err := countAnswers(question.Question, a.Answers); err != nil {
			return true, err
		}
		t.desk.attend(question.Question, a.Answers)
	}
	t.link.Wake()
	return true, nil
}

func deliver(a *asking, answers []string) error {
	if err := countAnswers(a.question, answers); err != nil {
		return err
	}
	select {
	case a.answers <- answers:
		return nil
	default:
		return fault.New(a.question.Code, fault.Auth, "somebody else has answered already")
	}
}

func countAnswers(q identity.Question, answers []string) error {
	if len(answers) != len(q.Prompts) {
		return fault.New(q.Code, fault.Auth, "the question has %d prompts, not %d", len(q.Prompts), len(answers))
	}
	return nil
}

// trust learns the host key that waits. The person names its fingerprint: what
// was compared is what is learned.
func (t *tunnel) trust(u *identity.Unknown, a control.Answer) error {
	shown := ssh.FingerprintSHA256(u.Key)
	if len(a.Answers) != 1 || a.Answers[0] != shown {
		return fault.New(fault.HostKeyUnknown, fault.HostKey, "the server shows %s, and that is not what was accepted", shown)
	}
	known := hostKeys(t.current().HostKey)
	if len(u.Known) == 0 {
		_, err := known.Learn(u.Name, u.Key)
		return err
	}
	if !a.Replace {
		return fault.New(fault.HostKeyChanged, fault.HostKey, "%v", u).
			WithHint("if the change is right: tunneld trust %s --replace --fingerprint %s", t.name, shown)
	}
	_, err := known.Replace(u.Name, u.Key)
	return err
}

// Prompts returns everything that waits for a person, by profile.
func (s *Supervisor) Prompts() []control.Prompt {
	prompts := []control.Prompt{}
	for _, t := range s.all() {
		if p, ok := t.prompt(); ok {
			prompts = append(prompts, p)
		}
	}
	return prompts
}

// Answer gives a person's answer to the prompt that has its id.
func (s *Supervisor) Answer(_ context.Context, a control.Answer) error {
	for _, t := range s.all() {
		if found, err := t.answer(a); found {
			return hinted(t.name, err)
		}
	}
	return fault.New(fault.UnknownProfile, "", "nothing waits for that answer any more").
		WithHint("tunneld status shows what waits now")
}

// SetSecret keeps a secret in the daemon's own keyring, and has the links try
// again that may have waited for it.
func (s *Supervisor) SetSecret(ctx context.Context, name string, secret []byte) error {
	if err := s.Account.Secrets.Store(ctx, name, secret); err != nil {
		return err
	}
	for _, t := range s.all() {
		if usesKeyring(t.current().Auth, name) {
			t.link.Wake()
		}
	}
	return nil
}

func usesKeyring(a profiles.Auth, name string) bool {
	secrets := []string{a.Passphrase, a.Password}
	for _, answer := range a.Answers {
		secrets = append(secrets, answer.Value)
	}
	return slices.Contains(secrets, "keyring:"+name)
}

// RemoveSecret forgets one.
func (s *Supervisor) RemoveSecret(ctx context.Context, name string) error {
	return s.Account.Secrets.Remove(ctx, name)
}
