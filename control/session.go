package control

import "io"

// SessionRequest says what a session is to be.
type SessionRequest struct {
	// Command is a line for the account's shell; "" means what the profile says,
	// and else that shell itself.
	Command  string    `json:"command,omitempty"`
	Env      []string  `json:"env,omitempty"`      // NAME=VALUE; servers drop what they do not accept
	Terminal *Terminal `json:"terminal,omitempty"` // null: none
	Agent    bool      `json:"agent,omitempty"`    // let programs reach the daemon's agent, where the profile allows it
	// X11 lets programs show windows; null: none.
	X11 *X11Request `json:"x11,omitempty"`
}

// Terminal is what a session's terminal is to be (RFC 4254 section 6.2).
type Terminal struct {
	Type  string           `json:"type"` // TERM
	Size  WindowSize       `json:"size"`
	Modes map[uint8]uint32 `json:"modes,omitempty"` // by opcode: RFC 4254 section 8
}

// SessionStreams are this end of a session.
type SessionStreams struct {
	// Stdin is read once the program runs; nil means EOF at once. A Read that
	// is under way when the session ends is left behind, and what it returns is
	// lost.
	Stdin io.Reader
	// Stdout and Stderr may make the program wait, by taking their time; an error
	// ends the session.
	Stdout, Stderr io.Writer
	Resizes        <-chan WindowSize // of the terminal; nil where it stays as it is
	Signals        <-chan string     // for the program, by their names of RFC 4254 section 6.10; may be nil
	// Started, if not nil, hears that the program runs, before any of its output.
	Started func()
}

// SessionExit is how a session's program ended: by itself or by a signal.
type SessionExit struct {
	Status uint32 `json:"status"`
	Signal string `json:"signal,omitempty"` // a name of RFC 4254 section 6.10
	Core   bool   `json:"core,omitempty"`
	Reason string `json:"reason,omitempty"` // the server's words about the signal
}

// Pipe is a stream of bytes whose directions end one by one: CloseWrite ends
// ours, io.EOF is the end of the other. Its errors say why the connection broke.
type Pipe interface {
	io.ReadWriteCloser
	CloseWrite() error
}
