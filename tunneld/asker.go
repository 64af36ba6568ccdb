package main

import (
	"context"
	"os"

	"tunneld/control"
	"tunneld/identity"
	"tunneld/internal/terminal"
)

// terminalAsker asks the person at this terminal, until the person breaks off:
// then no other question follows.
type terminalAsker struct {
	at     questions
	broken error
}

// askerHere asks on standard input where that is a terminal, else on the one that
// this process was started from, as ssh does: what comes through a pipe is for
// the program. It returns nil where there is neither.
func askerHere() *terminalAsker {
	if isTerminal(os.Stdin) {
		return &terminalAsker{at: questions{os.Stdin, os.Stderr}}
	}
	in, out, err := terminal.Open()
	if err != nil {
		return nil
	}
	return &terminalAsker{at: questions{in, out}}
}

// Ask implements identity.Asker. A link asks one question at a time.
func (a *terminalAsker) Ask(_ context.Context, q identity.Question) ([]string, error) {
	if a.broken != nil {
		return nil, a.broken
	}
	p := control.Prompt{Server: q.Server, FromServer: q.FromServer, Name: q.Name, Instruction: q.Instruction}
	for _, line := range q.Prompts {
		p.Prompts = append(p.Prompts, control.PromptLine{Text: line.Text, Echo: line.Echo})
	}
	answers, err := put(a.at.out, p, a.at.ask)
	a.broken = err
	return answers, err
}
