package identity

import (
	"context"
	"errors"
	"fmt"

	"tunneld/fault"
)

// Prompt is one line that a person is asked to answer.
type Prompt struct {
	Text string
	Echo bool // the answer may be shown while it is typed
}

// Question is what only a person can answer. Its texts are cleaned of
// everything but printable characters.
type Question struct {
	Code        fault.Code // needs_passphrase, needs_password or needs_code
	Server      string     // whose login needs the answer, user@host:port
	FromServer  bool       // the server wrote the texts that follow: they may lie about who asks
	Name        string     // a title, often empty
	Instruction string     // often empty
	Prompts     []Prompt
}

// Asker asks a person. It returns one answer per prompt, or ErrNobody at once
// when no person is attached, and ends with ctx.
type Asker interface {
	Ask(ctx context.Context, q Question) ([]string, error)
}

// ErrNobody says that there is no person to ask.
var ErrNobody = errors.New("nobody is there to answer")

// Unanswered is the cause of a login that failed because a question had no
// answer.
type Unanswered struct {
	Question Question
	Err      error // ErrNobody, or why the person did not answer
}

// Error tells why there is no answer.
func (u *Unanswered) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unanswered) Unwrap() error { return u.Err }

// maxAsked is how often a person may answer the same question in one login, as
// OpenSSH's NumberOfPasswordPrompts.
const maxAsked = 3

// ask asks the person on behalf of the server. Its error is a *Unanswered.
func (c Credentials) ask(ctx context.Context, q Question) ([]string, error) {
	q.Server = c.Server
	if c.Asker == nil {
		return nil, &Unanswered{q, ErrNobody}
	}
	answers, err := c.Asker.Ask(ctx, q)
	if err == nil && len(answers) != len(q.Prompts) {
		err = fmt.Errorf("%d answers to %d prompts", len(answers), len(q.Prompts))
	}
	if err != nil {
		return nil, &Unanswered{q, err}
	}
	return answers, nil
}

// askSecret asks for one line that is not shown. again says that the last
// answer was wrong.
func (c Credentials) askSecret(ctx context.Context, code fault.Code, text string, again bool) (string, error) {
	q := c.secretQuestion(code, text)
	if again {
		q.Instruction = "that was not right, try again"
	}
	answers, err := c.ask(ctx, q)
	if err != nil {
		return "", err
	}
	return answers[0], nil
}

func (c Credentials) secretQuestion(code fault.Code, text string) Question {
	return Question{Code: code, Server: c.Server, Prompts: []Prompt{{Text: fault.Clean(text)}}}
}
