// Package fault names everything that can go wrong.
//
// A failure that a user may see carries a [Code]: a stable word that logs, the
// status document, the API and the exit messages share. The table in codes.go
// gives every code its group, its hint (what to do about it) and how a link
// reacts to it. An [Error] ties a code to the step of the connection where it
// happened, a message with the particulars, and the cause.
//
// Every package may import fault; fault imports nothing of the project.
package fault

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode"
)

// Step is the part of the event sequence in which something happened, in the
// order that SSH itself has (RFC 4251 section 4; RFC 4252, RFC 4253, RFC 4254).
type Step string

// The steps of a connection, in their order.
const (
	Resolve Step = "resolve" // names to addresses
	Connect Step = "connect" // TCP, jump hosts, proxies
	Version Step = "version" // the identification strings (RFC 4253 section 4.2)
	Kex     Step = "kex"     // algorithms and keys (RFC 4253 section 7)
	HostKey Step = "host_key"
	Auth    Step = "auth"    // RFC 4252
	Forward Step = "forward" // RFC 4254 section 7
	Session Step = "session" // RFC 4254 section 6
	X11     Step = "x11"     // RFC 4254 section 6.3
)

// Error is a failure with a name.
type Error struct {
	Code    Code
	Step    Step   // where it happened; empty outside a connection
	Message string // the particulars, without secrets, in lower case
	Hint    string // what to do; empty means the table's hint for Code
	Err     error  // the cause, or nil
}

// New returns an Error of code at step with a formatted message. A %w verb
// in format makes its operand the cause.
func New(code Code, step Step, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Step: step, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e whose hint is the formatted text.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Error returns the message, led by the code.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As returns the Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// CodeOf returns the code in err's chain, or "" where there is none.
func CodeOf(err error) Code {
	if e := As(err); e != nil {
		return e.Code
	}
	return ""
}

// HintOf returns what to do about err: its own hint, else its code's, else "".
func HintOf(err error) string {
	e := As(err)
	switch {
	case e == nil:
		return ""
	case e.Hint != "":
		return e.Hint
	default:
		return e.Code.Hint()
	}
}

// Panic is a panic that was caught at the edge of one profile's life, so that
// the other profiles go on.
type Panic struct {
	Value any
	Stack []byte
}

// Error returns the panic's value; the stack is for the log.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Recover, deferred, turns a panic into a *Panic in *err. Every goroutine that
// works for one profile defers it, because a panic that leaves a goroutine
// ends the whole process.
func Recover(err *error) {
	if v := recover(); v != nil {
		*err = &Panic{Value: v, Stack: debug.Stack()}
	}
}

// cleanLimit bounds how much of a peer's text is kept, in runes.
const cleanLimit = 300

// Clean makes text of a peer harmless for terminals and logs: control and
// format characters (escapes, line ends, bidirectional overrides) become
// spaces, invalid UTF-8 becomes U+FFFD, runs of spaces become one, and the
// length is bounded.
func Clean(s string) string {
	var b strings.Builder
	n, space := 0, true
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = ' '
		}
		if r == ' ' && space {
			continue
		}
		if n++; n > cleanLimit {
			b.WriteString("...")
			break
		}
		space = r == ' '
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
