package control

import "tunneld/fault"

// CheckResult is what a fresh connection of a profile came to.
type CheckResult struct {
	Profile string `json:"profile"`
	// Trials are the steps up to the one that failed, then the forwards.
	Trials []Trial `json:"trials"`
}

// Trial is one thing that a check tried: a step of the connection, what a
// forward needs of the server, or a part of X11.
type Trial struct {
	Step    fault.Step `json:"step"` // forward for a forward
	Forward string     `json:"forward,omitempty"`
	Part    string     `json:"part,omitempty"` // of X11: display, cookie, answer, restriction, server, round trip, remote display
	Verdict Verdict    `json:"verdict"`
	Detail  string     `json:"detail"` // with what, or why it was skipped
	Error   *Error     `json:"error"`  // null unless it failed
}

// Verdict is what became of a trial.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "pass"
	Fail Verdict = "fail"
	Skip Verdict = "skip" // there is nothing that could be tried
)
