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
	text []byte
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

// ask asks there, without echo unless the line allows it.
func (q questions) ask(line control.PromptLine) (string, error) {
	fmt.Fprint(q.out, strings.TrimRight(line.Text, " "), " ")
	if line.Echo {
		answer, err := readLine(bufio.NewReader(q.in))
		if err != nil {
			fmt.Fprintln(q.out) // the question's line is not over
		}
		return answer, err
	}
	text, err := readUnseen(int(q.in.Fd()))
	fmt.Fprintln(q.out)
	return text, err
}

// readUnseen reads a line without echo. A signal that would end the program
// ends the question instead, with the terminal as it was before.
func readUnseen(in int) (string, error) {
	before, err := term.GetState(in)
	if err != nil {
		return "", err
	}
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, stopSignals()...)
	defer signal.Stop(broken)
	typed := make(chan typedLine, 1)
	go readPassword(in, typed) // nothing ends a read of the terminal but a line, or the program's end
	select {
	case a := <-typed:
		return string(a.text), unanswered(a.err)
	case <-broken:
		return "", errors.Join(errInterrupted, term.Restore(in, before))
	}
}

func readPassword(in int, typed chan<- typedLine) {
	text, err := term.ReadPassword(in)
	typed <- typedLine{text, err}
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
