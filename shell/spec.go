package shell

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Spec is what a session is to be.
type Spec struct {
	// Env are variables as NAME=VALUE. Servers drop those that they do not
	// accept, without a word (AcceptEnv of sshd_config).
	Env      []string
	Terminal *Terminal // nil means none
	X11      *X11      // nil means none
	Agent    bool      // let programs reach our agent (OpenSSH's PROTOCOL.agent)
	// AgentGiven says that the connection has it already: OpenSSH's server grants
	// it once, and its refusal after that means nothing.
	AgentGiven bool

	// Command is a line for the account's shell; "" means that shell itself.
	Command   string
	Subsystem string // such as "sftp", in place of Command

	Timeout time.Duration // for all requests together; 0 means 30 s
}

// Terminal is what a session's terminal is to be (RFC 4254 section 6.2).
type Terminal struct {
	Type  string // TERM
	Size  Size
	Modes ssh.TerminalModes // see EncodeModes; nil leaves them to the server
}

// Size is that of a terminal, in cells and, where known, in pixels.
type Size struct {
	Columns, Rows uint32
	Width, Height uint32
}

// X11 is where the session's windows go (RFC 4254 section 6.3.1).
type X11 struct {
	Cookie string // in hexadecimal: a fake one, by which its channels are known
	Screen uint32
}

// errSlow ends the requests of a session at their limit.
var errSlow = errors.New("no answer in time")

func (s Spec) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return 30 * time.Second
}

// request is one channel request.
type request struct {
	name    string
	payload []byte
	refused error // what a refusal means; nil means that no answer is wanted
}

// requests are in the order that OpenSSH's client has, the program last. Only
// what can fail for a reason waits for an answer, each for a round trip.
func (s Spec) requests() []request {
	var all []request
	if s.X11 != nil {
		payload := struct {
			Single           bool
			Protocol, Cookie string
			Screen           uint32
		}{false, "MIT-MAGIC-COOKIE-1", s.X11.Cookie, s.X11.Screen}
		all = append(all, request{"x11-req", ssh.Marshal(payload),
			fault.New(fault.X11ServerRefused, fault.X11, "the server refuses to forward X11")})
	}
	if s.Agent && s.AgentGiven {
		all = append(all, request{"auth-agent-req@openssh.com", nil, nil})
	} else if s.Agent {
		all = append(all, request{"auth-agent-req@openssh.com", nil,
			fault.New(fault.SessionDenied, fault.Session, "the server refuses to forward the agent").
				WithHint("check AllowAgentForwarding in the server's sshd_config and the key's options, or leave the agent out")})
	}
	if t := s.Terminal; t != nil {
		payload := struct {
			Type                         string
			Columns, Rows, Width, Height uint32
			Modes                        []byte
		}{t.Type, t.Size.Columns, t.Size.Rows, t.Size.Width, t.Size.Height, EncodeModes(t.Modes)}
		all = append(all, request{"pty-req", ssh.Marshal(payload),
			fault.New(fault.PtyDenied, fault.Session, "the server refuses a terminal")})
	}
	for _, variable := range s.Env {
		name, value, _ := strings.Cut(variable, "=")
		all = append(all, request{"env", ssh.Marshal(struct{ Name, Value string }{name, value}), nil})
	}
	return append(all, s.program())
}

// program is the request that starts it (RFC 4254 section 6.5).
func (s Spec) program() request {
	text := func(s string) []byte { return ssh.Marshal(struct{ Text string }{s}) }
	switch {
	case s.Subsystem != "":
		return request{"subsystem", text(s.Subsystem),
			fault.New(fault.SessionDenied, fault.Session, "the server has no subsystem %s", s.Subsystem).
				WithHint("check Subsystem %s in the server's sshd_config", s.Subsystem)}
	case s.Command != "":
		return request{"exec", text(s.Command), notStarted("the command")}
	default:
		return request{"shell", nil, notStarted("a shell")}
	}
}

func notStarted(what string) error {
	return fault.New(fault.SessionDenied, fault.Session, "the server refuses to start %s", what).
		WithHint("check that the account may log in there, and ForceCommand in the server's sshd_config")
}
