package main

import (
	"io"
	"sync/atomic"
	"time"
)

// logLines is how many lines wait for a reader that is slow.
const logLines = 4096

// logQueue writes lines behind the caller's back: a log that nobody reads must
// not stop a tunnel. What does not fit is lost, and counted.
type logQueue struct {
	out   io.Writer
	lines chan []byte
	lost  atomic.Int64
	over  chan struct{} // closed when the writer is done
}

func newLogQueue(out io.Writer) *logQueue {
	q := &logQueue{out: out, lines: make(chan []byte, logLines), over: make(chan struct{})}
	go q.drain()
	return q
}

// Write takes one line. It never blocks and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.lost.Add(1)
	}
	return len(line), nil
}

// hasRoom reports whether the next line will not be lost. It holds for the one
// writer there is.
func (q *logQueue) hasRoom() bool { return len(q.lines) < cap(q.lines) }

func (q *logQueue) drain() {
	defer close(q.over)
	for line := range q.lines {
		_, _ = q.out.Write(line) // the reader is gone: there is nowhere to say so
	}
}

// close waits until everything is written, for a second at most. Nothing may be
// written after it.
func (q *logQueue) close() {
	close(q.lines)
	select {
	case <-q.over:
	case <-time.After(time.Second):
	}
}
