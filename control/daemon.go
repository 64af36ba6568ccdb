package control

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tunneld/fault"
)

// Daemon is what the API asks of a daemon; daemon.Supervisor implements it. Its
// methods may be called at any time and by many goroutines at once, and return
// soon after their ctx ends. An error with a [fault.Code] reaches the client
// as it is.
type Daemon interface {
	// Status returns the status document.
	Status() Status
	// Metrics answers a scrape: GET of Prometheus' text format.
	Metrics() http.Handler
	// Prompts returns what waits for a person.
	Prompts() []Prompt
	// Answer takes a person's answers to a prompt. It returns when they are
	// taken, not when the link is up.
	Answer(ctx context.Context, a Answer) error
	// SetSecret keeps a passphrase or password under a name, in the place that
	// this daemon has for them. The secret's bytes are the caller's.
	SetSecret(ctx context.Context, name string, secret []byte) error
	// RemoveSecret forgets what SetSecret kept.
	RemoveSecret(ctx context.Context, name string) error
	// Trace makes a fresh connection as the profile says, tells every step of
	// it, one at a time and before it returns, and closes the connection. The
	// error is why the connection failed.
	Trace(ctx context.Context, profile string, opts TraceOptions, tell func(Event)) error
	// Check makes a fresh connection as the profile says, asks for each forward,
	// and closes the connection. What the connection fails with is in the result;
	// the error is why nothing was tried.
	Check(ctx context.Context, profile string) (CheckResult, error)
	// CheckX11 tries what a window needs, step by step: the display, the server,
	// and the way through both, with a program that shows nothing.
	CheckX11(ctx context.Context, profile string, r X11Request) (CheckResult, error)
	// Events tells what happened, oldest first, and with Follow what happens, one
	// at a time and before it returns. Whoever is too slow for what happens is
	// told how much was missed. It returns nil when nothing will follow, or
	// ctx's error.
	Events(ctx context.Context, opts EventOptions, tell func(Event)) error
	// Session runs a program on the profile's server, and returns how it ended
	// once all its output is written; the error is why nobody knows. A session
	// that nobody attends any more, because ctx ended, is hung up.
	Session(ctx context.Context, profile string, r SessionRequest, s SessionStreams) (SessionExit, error)
	// Dial connects to a target, host:port or unix:PATH, as the profile's server
	// sees it. ctx bounds the dial and the connection.
	Dial(ctx context.Context, profile, target string) (Pipe, error)
	// SFTP opens an SFTP session on the profile's server. ctx bounds the opening
	// and the session.
	SFTP(ctx context.Context, profile string) (Pipe, error)
	// Act starts, stops or restarts a profile, or one forward of it where one is
	// named. It returns when that is under way.
	Act(ctx context.Context, action Action, profile, forward string) error
	// ActApp is Act for one program of the profile.
	ActApp(ctx context.Context, action Action, profile, app string) error
	// Launch starts a program of the profile, once more if it runs. It returns
	// when the program runs, which then stays, or when it cannot.
	Launch(ctx context.Context, profile, app string, r X11Request) error
	// SetDisplay takes a display for the windows of all profiles that name none,
	// and tries it first.
	SetDisplay(ctx context.Context, o DisplayOffer) error
	// Reload reads the profiles again and applies what changed.
	Reload(ctx context.Context, opts ReloadOptions) (ReloadResult, error)
}

// Action is what a person asks of a profile or a forward.
type Action string

// The actions.
const (
	Up      Action = "up"      // start; end a wait
	Down    Action = "down"    // stop, until up or the daemon's end
	Restart Action = "restart" // connect or listen anew
)

// Prompt is what a profile waits for from a person: answers to lines of text,
// or trust in a host key.
type Prompt struct {
	ID          string         `json:"id"`
	Profile     string         `json:"profile"`
	Server      string         `json:"server"` // user@host:port
	Code        fault.Code     `json:"code"`
	Since       time.Time      `json:"since"`
	FromServer  bool           `json:"from_server"` // the server wrote name, instruction and prompts
	Name        string         `json:"name"`        // a title, often empty
	Instruction string         `json:"instruction"` // often empty
	Prompts     []PromptLine   `json:"prompts"`
	HostKey     *HostKeyPrompt `json:"host_key"` // null where it is not about a host key
}

// PromptLine is one line to be answered.
type PromptLine struct {
	Text string `json:"text"`
	Echo bool   `json:"echo"` // the answer may be shown while it is typed
}

// HostKeyPrompt is a host key that nobody trusts yet.
type HostKeyPrompt struct {
	Name        string `json:"name"` // as known_hosts has it
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"` // "SHA256:..."
	// Known is what known_hosts has for that name: empty for an unknown host.
	Known []KnownHostKey `json:"known"`
}

// KnownHostKey is a key in a known_hosts file.
type KnownHostKey struct {
	At          string `json:"at"` // file:line
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
}

// Answer is a person's answer to the prompt with the same ID: one for each of
// its lines. For a host key the one answer is the fingerprint that the person
// accepts.
type Answer struct {
	ID      string   `json:"id"`
	Answers []string `json:"answers"`
	Replace bool     `json:"replace"` // the host key changed, and the person means that
}

// TraceOptions say how far a trace goes.
type TraceOptions struct {
	Forwards bool `json:"forwards"` // ask for each forward too, and give it up again
}

// ReloadOptions say what becomes of the changes; the zero value lets them stay.
type ReloadOptions struct {
	// UndoAfter, if not zero, is when the daemon goes back to the versions from
	// before, unless a reload with Keep comes first.
	UndoAfter time.Duration
	// Keep lets the changes of such a reload stay, and takes those that were
	// undone.
	Keep bool
}

// ReloadResult is what a reload did.
type ReloadResult struct {
	Changes  []Change   `json:"changes"`
	Problems []Problem  `json:"problems"`
	UndoAt   *time.Time `json:"undo_at"` // when the changes will be undone; null if they stay
}

// Change is one step from what ran to what runs.
type Change struct {
	Verb    string `json:"verb"` // stop_forward, stop, relink, update, start_forward, start
	Profile string `json:"profile"`
	Forward string `json:"forward,omitempty"`
}

// Words is the verb as people read it: "stop forward".
func (c Change) Words() string { return strings.ReplaceAll(c.Verb, "_", " ") }

// String is the change as people read it: "work/db: stop forward".
func (c Change) String() string {
	return strings.TrimSuffix(c.Profile+"/"+c.Forward, "/") + ": " + c.Words()
}

const profileChanged = "profile changed"

// Event is what tells of the change.
func (c Change) Event() Event {
	return Event{Kind: "profile", Level: Info, Profile: c.Profile, Forward: c.Forward, Message: profileChanged, Detail: c.Words()}
}

// Change is the one that e tells of. found is false for other events.
func (e Event) Change() (c Change, found bool) {
	return Change{Verb: strings.ReplaceAll(e.Detail, " ", "_"), Profile: e.Profile, Forward: e.Forward}, e.Message == profileChanged
}
