package identity

import (
	"regexp"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Answer replies to a prompt of keyboard-interactive.
type Answer struct {
	Prompt *regexp.Regexp // matched against the cleaned text
	Value  Secret         // "prompt" leaves it to the person
}

// Limits of keyboard-interactive, where the server leads.
const (
	maxRounds  = 10
	maxPrompts = 20
)

var (
	wantsPassword = regexp.MustCompile(`(?i)password`)
	// notPassword matches prompts for what is not the password of the account.
	notPassword = regexp.MustCompile(`(?i)\b(new|again|retype|one.?time|otp)\b`)
)

// questions is how far a login has come with keyboard-interactive (RFC 4256).
type questions struct {
	begun   int         // conversations
	person  bool        // a person answered in the last one
	round   int         // of the conversation
	answers map[int]int // the round in which an Answer was used, by its index
}

// nextConversation begins a conversation, again only as long as a person
// answers; nil when that is over.
func (l *Login) nextConversation() ssh.AuthMethod {
	q := &l.questions
	if q.begun > 0 && !q.person || q.begun == maxAsked {
		return nil
	}
	q.begun, q.person, q.round = q.begun+1, false, 0
	l.attempt(Attempt{Method: methodInteractive})
	return ssh.KeyboardInteractive(l.converse)
}

// converse is the ssh.KeyboardInteractiveChallenge: one round. After an error
// the server still waits for answers, so that the login is over.
func (l *Login) converse(name, instruction string, prompts []string, echo []bool) ([]string, error) {
	answers, err := l.round(name, instruction, prompts, echo)
	if err != nil {
		l.interrupted = true
		l.want(err)
		return nil, err
	}
	return answers, nil
}

func (l *Login) round(name, instruction string, prompts []string, echo []bool) ([]string, *fault.Error) {
	l.questions.round++
	switch {
	case l.questions.round > maxRounds:
		return nil, fault.New(fault.AuthRejected, fault.Auth, "the server asked more than %d rounds of questions", maxRounds)
	case len(prompts) > maxPrompts:
		return nil, fault.New(fault.AuthRejected, fault.Auth, "the server asked %d questions at once", len(prompts))
	}
	q := Question{Code: fault.NeedsCode, FromServer: true, Name: fault.Clean(name), Instruction: fault.Clean(instruction)}
	answers := make([]string, len(prompts))
	var open []int // the prompts that are left to the person
	for i, text := range prompts {
		prompt := Prompt{Text: fault.Clean(text), Echo: echo[i]}
		answer, found, err := l.storedAnswer(prompt, len(prompts) == 1)
		if err != nil {
			return nil, err
		}
		if !found {
			open, q.Prompts = append(open, i), append(q.Prompts, prompt)
		}
		answers[i] = answer
	}
	if len(open) == 0 {
		return answers, nil
	}
	given, err := l.creds.ask(l.ctx, q)
	if err != nil {
		return nil, fault.New(fault.NeedsCode, fault.Auth, "the server asks %q: %w", q.Prompts[0].Text, err)
	}
	l.questions.person = true
	for n, i := range open {
		answers[i] = given[n]
	}
	return answers, nil
}

// storedAnswer answers a prompt from the profile. What the server asks for
// again was wrong: it is not sent twice.
func (l *Login) storedAnswer(p Prompt, single bool) (answer string, found bool, _ *fault.Error) {
	for i, a := range l.creds.Answers {
		if !a.Prompt.MatchString(p.Text) {
			continue
		}
		if a.Value.Prompts() {
			return "", false, nil
		}
		return l.configuredAnswer(i, p)
	}
	if !single || p.Echo || l.creds.Password.Prompts() || !wantsPassword.MatchString(p.Text) || notPassword.MatchString(p.Text) {
		return "", false, nil
	}
	if l.passwords.stored {
		return "", false, fault.New(fault.AuthRejected, fault.Auth, "the server rejected the password in %s", l.creds.Password)
	}
	answer, ok := l.storedPassword()
	if !ok {
		return "", false, l.wanted
	}
	return answer, true, nil
}

func (l *Login) configuredAnswer(i int, p Prompt) (string, bool, *fault.Error) {
	q, value := &l.questions, l.creds.Answers[i].Value
	now := q.begun*maxRounds + q.round
	if used, ok := q.answers[i]; ok && used != now {
		return "", false, fault.New(fault.AuthRejected, fault.Auth, "the server rejected the answer in %s to %q", value, p.Text)
	}
	secret, err := l.creds.Secrets.Resolve(l.ctx, value)
	if err != nil {
		return "", false, secretFault(fault.AuthRejected, err)
	}
	defer clear(secret)
	if q.answers == nil {
		q.answers = map[int]int{}
	}
	q.answers[i] = now
	return string(secret), true, nil
}
