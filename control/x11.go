package control

import (
	"fmt"
	"time"

	"tunneld/fault"
)

// X11 is what a profile shows of the server's graphical programs.
type X11 struct {
	// Display is where the latest program's windows go, and while none runs,
	// where those of the next would go; empty where there is no display.
	Display string `json:"display"`
	// From says who named the display: profile, caller, handed, environment,
	// default; empty where there is none.
	From    string `json:"from"`
	Trusted bool   `json:"trusted"` // as the profile says
	// State is off (no program has asked yet, or the profile forbids it), ready,
	// or error: the last program could not have the display.
	State   string `json:"state"`
	Active  int    `json:"active"`  // windows: connections to the display that are open
	Total   uint64 `json:"total"`   // that were asked for
	Refused uint64 `json:"refused"` // that were turned away
	// Refusals counts the refused ones by code.
	Refusals map[fault.Code]uint64 `json:"refusals,omitempty"`
	Error    *Error                `json:"error"`
	Apps     []App                 `json:"apps"`
	// Remote is the display at the server that stays the same; null where the
	// profile has none.
	Remote *RemoteDisplay `json:"remote_display"`
}

// RemoteDisplay is a display at the server that keeps its name over reconnects.
type RemoteDisplay struct {
	Display string     `json:"display"` // as programs there have it in DISPLAY: localhost:7
	State   string     `json:"state"`   // stopped, waiting (for the link), ready, retrying
	Since   *time.Time `json:"since"`
	Active  int        `json:"active"` // windows: connections that are open
	Error   *Error     `json:"error"`  // why it is tried again
}

// App is a program of a profile, an [[x11.app]].
type App struct {
	Name    string     `json:"name"`
	Start   string     `json:"start"` // manual, always
	State   string     `json:"state"` // stopped, running, waiting
	Since   *time.Time `json:"since"`
	Running int        `json:"running"`        // how many of it
	Exit    string     `json:"exit,omitempty"` // how it ended last: "status 1", "signal TERM"
	Error   *Error     `json:"error"`
}

// DisplayOffer is a display that somebody brings, and the cookie that opens it.
// The cookie is secret: however an offer is printed, it does not show.
type DisplayOffer struct {
	Display string `json:"display"`          // as DISPLAY has it, on this machine
	Cookie  string `json:"cookie,omitempty"` // in hexadecimal; empty where the display asks for none
}

// Format implements fmt.Formatter for every verb.
func (o DisplayOffer) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "display %q", o.Display) }

// X11Request is what somebody wants of the windows of a program.
type X11Request struct {
	// Trusted lets the program see and do everything on the display, even where
	// the profile does not say so.
	Trusted bool          `json:"trusted,omitempty"`
	Display *DisplayOffer `json:"display,omitempty"` // null: as the daemon finds one
}
