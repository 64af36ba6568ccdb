package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"

	"tunneld/control"
)

// typedLine is what reading a line from the terminal came to.
type typedLine struct {
	text string
	err  error
}

var errInterrupted = errors.New("interrupted")

// put tells on w whose login needs an answer, and asks line by line. What the
// server wrote begins with (user@host), as in ssh: no server can pass its words
// off as a question about a key on this machine.
func put(w io.Writer, p control.Prompt, ask func(control.PromptLine) (string, error)) ([]string, error) {
	mark := ""
	if p.FromServer {
		mark = "(" + p.Server[:max(strings.LastIndex(p.Server, ":"), 0)] + ") "
	}
	fmt.Fprintf(w, "To log in to %s:\n", p.Server)
	for _, line := range []string{p.Name, p.Instruction} {
		if line != "" {
			fmt.Fprintln(w, mark+line)
		}
	}
	answers := []string{}
	for _, line := range p.Prompts {
		line.Text = mark + line.Text
		text, err := ask(line)
		if err != nil {
			return nil, err
		}
		answers = append(answers, text)
	}
	return answers, nil
}

// askTerminal asks on the terminal, without echo unless the line allows it.
func askTerminal(line control.PromptLine) (string, error) {
	if !isTerminal(os.Stdin) {
		return "", hinted{errors.New("there is no terminal to ask on"), "--stdin reads the answers from standard input"}
	}
	return questions{os.Stdin, os.Stderr}.ask(line)
}

// questions is a terminal that somebody sits at.
type questions struct {
	in  *os.File
	out io.Writer
}

// ask asks there, without echo unless the line allows it. A signal that would end
// the program ends the question instead, with the terminal as it was before.
func (q questions) ask(line control.PromptLine) (string, error) {
	before, err := term.GetState(int(q.in.Fd()))
	if err != nil {
		return "", err
	}
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, stopSignals()...)
	defer signal.Stop(broken)
	fmt.Fprint(q.out, strings.TrimRight(line.Text, " "), " ")
	typed := make(chan typedLine, 1)
	go q.read(line.Echo, typed) // nothing ends a read of the terminal but a line, or the program's end
	var answer typedLine
	select {
	case answer = <-typed:
	case <-broken:
		answer.err = errors.Join(errInterrupted, term.Restore(int(q.in.Fd()), before))
	}
	if !line.Echo || answer.err != nil {
		fmt.Fprintln(q.out) // the question's line is not over
	}
	return answer.text, answer.err
}

func (q questions) read(echo bool, typed chan<- typedLine) {
	if echo {
		text, err := readLine(bufio.NewReader(q.in))
		typed <- typedLine{text, err}
		return
	}
	text, err := term.ReadPassword(int(q.in.Fd()))
	typed <- typedLine{string(text), unanswered(err)}
}

// confirm asks until the answer is yes or no, in full: a key is not trusted by a
// slip of the finger.
func confirm(question string) (bool, error) {
	for text := question + " (yes/no)"; ; text = "Please type yes or no:" {
		answer, err := askTerminal(control.PromptLine{Text: text, Echo: true})
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "yes":
			return true, nil
		case "no":
			return false, nil
		}
	}
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil && line == "" {
		return "", unanswered(err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// unanswered is the error of a read that brought no answer, or nil.
func unanswered(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("no answer: the input ended")
	}
	return err
}
