package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// output is stdout. It keeps the first error, so that no command has to look
// after each line: a full disk must not pass for a success.
type output struct {
	io.Writer

	mu  sync.Mutex // guards err
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// failure is the first error, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// terminalOf returns the descriptor of the terminal that w leads to, if it
// leads to one.
func terminalOf(w io.Writer) (fd int, ok bool) {
	if o, is := w.(*output); is {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}
