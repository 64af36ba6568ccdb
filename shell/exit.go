package shell

import (
	"fmt"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Exit is how a program ended: with a status or by a signal.
type Exit struct {
	Status uint32     // of a program that ended by itself
	Signal ssh.Signal // what ended it (RFC 4254 section 6.10); "" means that it ended by itself
	Core   bool       // the signal left a core dump
	Reason string     // the server's words about the signal, made harmless
}

// notFound is what POSIX shells exit with when there is no such command.
const notFound = 127

// Code is the exit status for a command that stands for the program: its own,
// 128+N for signal N, and 255 for a signal without a number.
func (e Exit) Code() int {
	switch n := Number(e.Signal); {
	case e.Signal == "":
		return int(e.Status)
	case n == 0:
		return 255
	default:
		return 128 + n
	}
}

// Problem says what a person may want to know about an end, or returns nil. The
// shell's status 127 has the code command_not_found; it may be the program's
// own, so it is no failure.
func (e Exit) Problem() error {
	switch {
	case e.Signal != "":
		return fmt.Errorf("ended by %s", e)
	case e.Status == notFound:
		return fault.New(fault.CommandNotFound, fault.Session, "the server's shell found no such command")
	default:
		return nil
	}
}

// String describes the end: "status 3", "signal TERM (core dumped)".
func (e Exit) String() string {
	if e.Signal == "" {
		return fmt.Sprintf("status %d", e.Status)
	}
	text := "signal " + string(e.Signal)
	if e.Core {
		text += " (core dumped)"
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// parseExit reads exit-status and exit-signal (RFC 4254 section 6.10).
func parseExit(r *ssh.Request) (Exit, error) {
	switch r.Type {
	case "exit-status":
		var m struct{ Status uint32 }
		err := ssh.Unmarshal(r.Payload, &m)
		return Exit{Status: m.Status}, err
	case "exit-signal":
		var m struct {
			Signal   string
			Core     bool
			Message  string
			Language string
		}
		err := ssh.Unmarshal(r.Payload, &m)
		return Exit{Signal: ssh.Signal(fault.Clean(m.Signal)), Core: m.Core, Reason: fault.Clean(m.Message)}, err
	default:
		return Exit{}, fmt.Errorf("%s is not the end of a program", r.Type)
	}
}
