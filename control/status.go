package control

import (
	"time"

	"tunneld/fault"
)

// Status is the status document.
type Status struct {
	Version  string    `json:"version"`
	Since    time.Time `json:"since"`
	Config   string    `json:"config"`
	Problems []Problem `json:"problems"`
	Profiles []Profile `json:"profiles"`
}

// Problem is a mistake in a file.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Key     string `json:"key"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Warning bool   `json:"warning,omitempty"` // nothing was left out because of it
}

// Profile is one profile and its link.
type Profile struct {
	Name  string     `json:"name"`
	Start string     `json:"start"` // always, on-demand, manual
	State string     `json:"state"` // disabled, down, idle, connecting, up, waiting, blocked, refused
	Since *time.Time `json:"since"`
	// Server is user@host:port.
	Server    string  `json:"server"`
	StoppedBy *string `json:"stopped_by"` // user, manual
	// RunningVersion is "current", or "last_good" while the file has problems.
	RunningVersion string   `json:"running_version"`
	HostKey        string   `json:"host_key,omitempty"`
	ServerVersion  string   `json:"server_version,omitempty"`
	Cipher         string   `json:"cipher,omitempty"`
	KeyExchange    string   `json:"kex,omitempty"`
	Auth           string   `json:"auth,omitempty"`
	RTT            *float64 `json:"rtt_ms"`
	// Warnings tell what is dangerous in the profile, in a sentence each.
	Warnings   []string   `json:"warnings,omitempty"`
	Reconnects int        `json:"reconnects"`
	RetryAt    *time.Time `json:"retry_at"`
	Error      *Error     `json:"error"`
	LastDown   *Outage    `json:"last_down"`
	Forwards   []Forward  `json:"forwards"`
	X11        X11        `json:"x11"`
	Sessions   int        `json:"sessions"` // that are open
}

// Forward is one forward of a profile.
type Forward struct {
	Name   string     `json:"name"`
	Kind   string     `json:"kind"` // local, remote, dynamic
	Listen string     `json:"listen"`
	Bound  []string   `json:"bound"`
	Target string     `json:"target,omitempty"`
	State  string     `json:"state"` // listening, waiting, retrying, stopped, disabled
	Since  *time.Time `json:"since"`
	// StoppedBy is "user" while a person has it down.
	StoppedBy *string `json:"stopped_by"`
	Active    int     `json:"active"`
	Total     uint64  `json:"total"`
	Failed    uint64  `json:"failed"`
	// Failures counts the failed connections by code.
	Failures        map[fault.Code]uint64 `json:"failures,omitempty"`
	BytesToServer   uint64                `json:"bytes_to_server"`
	BytesFromServer uint64                `json:"bytes_from_server"`
	// The rates are the mean of about the last 5 s, in bytes per second.
	RateToServer   float64 `json:"rate_to_server"`
	RateFromServer float64 `json:"rate_from_server"`
	// Probe is null without a probe, and before its first answer.
	Probe *Probe `json:"probe"`
	Error *Error `json:"error"`
}

// Probe is the last answer to a forward's probe.
type Probe struct {
	At           time.Time `json:"at"`
	OK           bool      `json:"ok"`
	Milliseconds float64   `json:"ms"` // until the answer
	Error        *Error    `json:"error"`
}

// Error is a failure with its name and what to do about it.
type Error struct {
	Code    fault.Code `json:"code"`
	Step    fault.Step `json:"step,omitempty"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	At      time.Time  `json:"at"`
}

// Outage is a time without a connection; To is null while it lasts.
type Outage struct {
	From    time.Time  `json:"from"`
	To      *time.Time `json:"to"`
	Code    fault.Code `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
}

// Level is how much an event matters.
type Level string

// The levels, as in log/slog.
const (
	Debug Level = "debug"
	Info  Level = "info"
	Warn  Level = "warn"
	Fault Level = "error"
)

// Event is one thing that happened. Messages are constant, what varies stands
// in fields, and nothing in it is secret.
type Event struct {
	Time    time.Time  `json:"time"`
	Level   Level      `json:"level"`
	Kind    string     `json:"kind"` // daemon, profile, link, forward, connection, probe, session, x11, app, api
	Profile string     `json:"profile,omitempty"`
	Forward string     `json:"forward,omitempty"`
	App     string     `json:"app,omitempty"` // a program of the profile
	Step    fault.Step `json:"step,omitempty"`
	State   string     `json:"state,omitempty"`
	Code    fault.Code `json:"code,omitempty"`
	Message string     `json:"message"`
	Detail  string     `json:"detail,omitempty"`
	Hint    string     `json:"hint,omitempty"`
	// Repeats is how many times the same failure happened in a row before
	// this event; those were counted and not told.
	Repeats int `json:"repeats,omitempty"`
}
