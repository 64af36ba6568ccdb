package identity_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

// interactive is a server that asks as converse does.
func interactive(t *testing.T, converse func(ask ssh.KeyboardInteractiveChallenge) error) place {
	t.Helper()
	return servePlace(t, &sshserver.Server{
		KeyboardInteractive: func(_ string, ask ssh.KeyboardInteractiveChallenge) error { return converse(ask) },
	})
}

// expect asks one round and compares the answers.
func expect(ask ssh.KeyboardInteractiveChallenge, prompts []string, want ...string) error {
	got, err := ask("", "", prompts, make([]bool, len(prompts)))
	if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		err = errWrong
	}
	return err
}

func conversing() identity.Credentials {
	return identity.Credentials{Methods: []string{"publickey", "keyboard-interactive"}}
}

// Two rounds: the stored password, then a code that a person reads off.
func TestTwoRounds(t *testing.T) {
	sshtest.Leaks(t)
	p := interactive(t, func(ask ssh.KeyboardInteractiveChallenge) error {
		if err := expect(ask, []string{"Password: "}, hidden); err != nil {
			return err
		}
		if err := expect(ask, nil); err != nil {
			return err
		}
		got, err := ask("Second\x1b[2J factor", "look\r\nat \u202eit", []string{"User\x07: ", "One-time password: "}, []bool{true, false})
		if err != nil || len(got) != 2 || got[0] != "ana" || got[1] != "123456" {
			return errWrong
		}
		return nil
	})
	reads := 0
	who := &person{answers: [][]string{{"ana", "123456"}}}
	c := conversing()
	c.Password, c.Secrets, c.Asker, c.Memory = "env:PW", stored(hidden, &reads), who, new(identity.Memory)
	o := logIn(t, p, c)
	if o.err != nil || o.login.Method != "keyboard-interactive" || reads != 1 {
		t.Fatalf("%v, %+v, %d reads", o.err, o.login, reads)
	}
	want := identity.Question{
		Code: fault.NeedsCode, Server: "ana@" + p.addr, FromServer: true, Name: "Second [2J factor", Instruction: "look at it",
		Prompts: []identity.Prompt{{Text: "User :", Echo: true}, {Text: "One-time password:"}},
	}
	if got := fmt.Sprintf("%+v", who.questions); got != fmt.Sprintf("%+v", []identity.Question{want}) {
		t.Errorf("asked %s", got)
	}
	o = logIn(t, p, c) // nothing was kept
	o.wants(t, fault.NeedsCode, `"User :"`)
	if q := unanswered(t, o.err); len(q.Prompts) != 2 || q.Name != want.Name || q.Server != want.Server || !q.FromServer {
		t.Errorf("%+v", q)
	}
	c.Asker = nil
	logIn(t, p, c).wants(t, fault.NeedsCode)
}

func TestConfiguredAnswers(t *testing.T) {
	sshtest.Leaks(t)
	p := interactive(t, func(ask ssh.KeyboardInteractiveChallenge) error {
		if err := expect(ask, []string{"Verification code: ", "Realm: "}, hidden, "r"); err != nil {
			return err
		}
		return expect(ask, []string{"Realm: "}, "typed")
	})
	reads := 0
	c := conversing()
	c.Secrets = stored(hidden, &reads)
	c.Asker = &person{answers: [][]string{{"r"}, {"typed"}}}
	c.Answers = []identity.Answer{
		{Prompt: regexp.MustCompile("(?i)verification code"), Value: "env:CODE"},
		{Prompt: regexp.MustCompile("Realm"), Value: "prompt"},
		{Prompt: regexp.MustCompile("."), Value: "env:NEVER"},
	}
	if o := logIn(t, p, c); o.err != nil {
		t.Error(o.err)
	}
}

// A stored answer goes to the server once: what it asks for again was wrong.
func TestStoredAnswerIsWrong(t *testing.T) {
	sshtest.Leaks(t)
	for name, test := range map[string]struct{ prompt, secret string }{
		"password": {"Password: ", "env:PW"},
		"answer":   {"Code: ", "env:CODE"},
	} {
		for _, again := range []bool{true, false} { // in the same conversation, or in a new one
			t.Run(fmt.Sprint(name, again), func(t *testing.T) {
				var asked atomic.Int32
				p := interactive(t, func(ask ssh.KeyboardInteractiveChallenge) error {
					for again || asked.Load() == 0 {
						if err := expect(ask, []string{test.prompt}, "right"); err != errWrong {
							return err
						}
						asked.Add(1)
					}
					return errWrong
				})
				reads := 0
				c := conversing()
				c.Methods = append(c.Methods, "password")
				c.Password, c.Secrets = "env:PW", stored(hidden, &reads)
				c.Answers = []identity.Answer{{Prompt: regexp.MustCompile("Code"), Value: "env:CODE"}}
				logIn(t, p, c).wants(t, fault.AuthRejected)
				if asked.Load() != 1 || reads != 1 {
					t.Errorf("sent %d times, %d reads", asked.Load(), reads)
				}
			})
		}
	}
}

// The same wrong password does not go out by two methods.
func TestStoredPasswordByBothMethods(t *testing.T) {
	sshtest.Leaks(t)
	srv, account := passwordServer()
	srv.KeyboardInteractive = func(_ string, ask ssh.KeyboardInteractiveChallenge) error {
		return expect(ask, []string{"Password: "}, "right")
	}
	reads := 0
	c := byPassword
	c.Methods, c.Secrets = []string{"keyboard-interactive", "password"}, stored("stale", &reads)
	logIn(t, servePlace(t, srv), c).wants(t, fault.AuthRejected, "keyboard-interactive")
	if got := account.sent(); len(got) != 0 || reads != 1 {
		t.Errorf("sent %q, %d reads", got, reads)
	}
}

// Prompts that only look like one for the password, which stays here.
func TestNotThePassword(t *testing.T) {
	sshtest.Leaks(t)
	for _, prompts := range [][]string{{"New password:"}, {"One-time password:"}, {"Retype new password:"}, {"Password:", "Code:"}, {"OTP password"}, {"Code:"}} {
		p := interactive(t, func(ask ssh.KeyboardInteractiveChallenge) error { return expect(ask, prompts, "never") })
		reads := 0
		c := conversing()
		c.Password, c.Secrets = "env:PW", stored(hidden, &reads)
		logIn(t, p, c).wants(t, fault.NeedsCode)
		if reads != 0 {
			t.Errorf("%q: the password was read", prompts)
		}
	}
}

func TestPersonMayTryAgain(t *testing.T) {
	sshtest.Leaks(t)
	p := interactive(t, func(ask ssh.KeyboardInteractiveChallenge) error { return expect(ask, []string{"Code: "}, "3") })
	c := conversing()
	who := &person{answers: [][]string{{"1"}, {"2"}, {"3"}}}
	c.Asker = who
	if o := logIn(t, p, c); o.err != nil {
		t.Error(o.err)
	}
	who.answers = [][]string{{"1"}, {"1"}, {"1"}, {"1"}}
	logIn(t, p, c).wants(t, fault.AuthRejected)
	if len(who.answers) != 1 {
		t.Errorf("%d answers left", len(who.answers))
	}
	who.answers = [][]string{{"1", "2"}}
	logIn(t, p, c).wants(t, fault.NeedsCode, "2 answers to 1 prompts")
}

// A server that leads cannot lead for ever.
func TestHostileConversations(t *testing.T) {
	sshtest.Leaks(t)
	var rounds atomic.Int32
	endless := func(prompts []string) func(ssh.KeyboardInteractiveChallenge) error {
		return func(ask ssh.KeyboardInteractiveChallenge) error {
			rounds.Store(0)
			for range 10_000 {
				if _, err := ask("", "", prompts, make([]bool, len(prompts))); err != nil {
					return err
				}
				rounds.Add(1)
			}
			return nil
		}
	}
	c := conversing()
	for name, prompts := range map[string][]string{"empty": nil, "asking": {"Code:"}} {
		t.Run(name, func(t *testing.T) {
			who := &person{}
			for range 100 {
				who.answers = append(who.answers, []string{"x"})
			}
			c.Asker = who
			logIn(t, interactive(t, endless(prompts)), c).wants(t, fault.AuthRejected, "more than 10 rounds")
			if rounds.Load() != 10 {
				t.Errorf("%d rounds", rounds.Load())
			}
		})
	}
	t.Run("prompts", func(t *testing.T) {
		many := make([]string, 21)
		for i := range many {
			many[i] = "Code:"
		}
		logIn(t, interactive(t, endless(many)), c).wants(t, fault.AuthRejected, "21 questions")
	})
	t.Run("escapes", func(t *testing.T) {
		c.Asker = nil
		text := "\x1b]0;owned\x07\x1b[31m\u202eCode\x00\xff" + strings.Repeat("A", 100_000)
		o := logIn(t, interactive(t, endless([]string{text})), c)
		o.wants(t, fault.NeedsCode)
		if q := unanswered(t, o.err).Prompts[0].Text; strings.ContainsAny(q+o.err.Error(), "\x1b\x07\x00\u202e") || len(q) > 400 {
			t.Errorf("%q", q)
		}
	})
}
