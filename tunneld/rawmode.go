package main

import (
	"os"
	"sync"

	"tunneld/internal/terminal"
)

// rawTerminal is the terminal of a session, raw or as it was before.
type rawTerminal struct {
	mu   sync.Mutex // guards what follows
	undo func()     // nil while it is as it was
	over bool       // it stays as it was
}

// begin makes it raw.
func (t *rawTerminal) begin(in, out *os.File) (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undo == nil && !t.over {
		t.undo, err = terminal.Raw(in, out)
	}
	return err
}

// restore brings it back for a while.
func (t *rawTerminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.undo != nil {
		t.undo()
		t.undo = nil
	}
}

// close brings it back for good.
func (t *rawTerminal) close() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.restore()
}

// closeOnPanic is to be deferred where a panic would end the process without
// whoever closes it.
func (t *rawTerminal) closeOnPanic() {
	if p := recover(); p != nil {
		t.close()
		panic(p)
	}
}
