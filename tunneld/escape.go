package main

import (
	"errors"
	"fmt"
	"io"
)

// escapeKey is what a person asks of the command itself, after a line's end.
type escapeKey byte

// The escapes, by the key after the escape character.
const (
	escapeDisconnect escapeKey = '.'
	escapeSuspend    escapeKey = 'Z' & 0x1f // Ctrl-Z
	escapeList       escapeKey = '#'
	escapeHelp       escapeKey = '?'
)

// escapes finds the escapes in what is typed. The zero value finds none.
type escapes struct {
	char    byte // 0 means none
	inLine  bool // something was typed since the last end of a line
	pending bool // the escape character was typed
}

// feed appends to out what of p is for the server, up to the first escape; rest
// is what comes after that.
func (e *escapes) feed(out, p []byte) (typed []byte, found escapeKey, rest []byte) {
	for i, b := range p {
		switch {
		case e.pending:
			e.pending = false
			switch escapeKey(b) {
			case escapeDisconnect, escapeSuspend, escapeList, escapeHelp:
				return out, escapeKey(b), p[i+1:]
			}
			if b != e.char { // twice is once
				out = append(out, e.char)
			}
		case e.char != 0 && b == e.char && !e.inLine:
			e.pending = true
			continue
		}
		out = append(out, b)
		e.inLine = b != '\r' && b != '\n'
	}
	return out, 0, nil
}

// escapeReader is what is typed, without the escapes: those are acted on.
type escapeReader struct {
	in    io.Reader
	act   func(escapeKey)
	state escapes
	typed []byte // that Read has not returned
	buf   [4096]byte
}

// Read implements io.Reader.
func (r *escapeReader) Read(p []byte) (int, error) {
	for len(r.typed) == 0 {
		n, err := r.in.Read(r.buf[:])
		for rest := r.buf[:n]; len(rest) > 0; {
			var found escapeKey
			r.typed, found, rest = r.state.feed(r.typed, rest)
			if found != 0 {
				r.act(found)
			}
		}
		if err != nil && len(r.typed) == 0 {
			return 0, err
		}
	}
	n := copy(p, r.typed)
	r.typed = r.typed[:copy(r.typed, r.typed[n:])]
	return n, nil
}

var errEscapeChar = errors.New("want one character, ^ and a letter, or none")

// parseEscapeChar reads an escape character as ssh takes it; 0 is none.
func parseEscapeChar(text string) (byte, error) {
	switch {
	case text == "none":
		return 0, nil
	case len(text) == 1 && text[0] > ' ' && text[0] < 0x7f:
		return text[0], nil
	case len(text) == 2 && text[0] == '^' && text[1] >= '@' && text[1] < 0x7f:
		return text[1] & 0x1f, nil
	}
	return 0, errEscapeChar
}

// escapeName is the escape character as a person types it.
func escapeName(char byte) string {
	if char < ' ' {
		return "^" + string(rune(char|0x40))
	}
	return string(rune(char))
}

// escapeHelpText says what the escapes are, on a raw terminal.
func escapeHelpText(char byte) string {
	const format = "%[1]s?\r\nEscapes, at the beginning of a line:\r\n" +
		" %[1]s.   end the session\r\n %[1]s^Z  suspend tunneld\r\n %[1]s#   list the forwards\r\n" +
		" %[1]s?   this list\r\n %[1]s%[1]s   send the escape character\r\n"
	return fmt.Sprintf(format, escapeName(char))
}
