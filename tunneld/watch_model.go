package main

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tunneld/control"
	"tunneld/fault"
)

// live is the screen of status --watch. All that it shows is in its fields, so
// that it draws the same for the same; what it asks for is done elsewhere, and
// comes back as messages. Only Update changes it.
type live struct {
	asks asker

	width, height int
	now           time.Time // of the last tick
	status        control.Status
	looked        time.Time // when status was true; zero before the first look
	looking       bool      // a look is under way
	away          error     // why the last look failed
	traffic       history
	events        []control.Event // the last ones, oldest first

	cursor   place // what the keys are about
	at       int   // where that stood, should it go
	filter   string
	typing   bool // the keys go to the filter
	noEvents bool
	help     bool
	message  string // what the last key came to
}

// asker is what the screen asks of the daemon, and of a person.
type asker interface {
	look() tea.Msg
	act(action control.Action, t target) tea.Cmd
	answer(profile string) tea.Cmd
}

// tick is the time of a look.
type tick time.Time

func newLive(a asker) *live { return &live{asks: a, looking: true, now: time.Now()} }

// Init implements tea.Model.
func (l *live) Init() tea.Cmd { return tea.Batch(l.asks.look, nextTick()) }

func nextTick() tea.Cmd { return tea.Tick(lookEvery, func(t time.Time) tea.Msg { return tick(t) }) }

// Update implements tea.Model.
func (l *live) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		l.width, l.height = msg.Width, msg.Height
	case tick:
		l.now = time.Time(msg)
		l.traffic.add(l.status, l.away == nil)
		return l, tea.Batch(l.look(), nextTick())
	case seen:
		l.see(msg)
	case acted:
		l.message = outcome(msg)
		return l, l.look()
	case answered:
		l.message = failure(msg.err)
		return l, l.look()
	case happened:
		l.hear(control.Event(msg))
	case tea.KeyPressMsg:
		return l, l.key(msg)
	case tea.PasteMsg:
		if l.typing {
			l.filter += fault.Clean(msg.Content)
		}
	}
	return l, nil
}

// look asks for the status, unless the last answer is still to come.
func (l *live) look() tea.Cmd {
	if l.looking {
		return nil
	}
	l.looking = true
	return l.asks.look
}

func (l *live) see(s seen) {
	l.looking, l.away = false, s.err
	if s.err == nil {
		l.status, l.looked = s.status, l.now
	}
}

// outcome is what became of an action, in a line.
func outcome(a acted) string {
	if a.err != nil {
		return failure(a.err)
	}
	done := map[control.Action]string{control.Up: "started ", control.Down: "stopped ", control.Restart: "restarted "}
	return done[a.action] + a.target.String()
}

// failure is err in a line, with what to do.
func failure(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if hint := hintOf(err); hint != "" {
		text += "; " + hint
	}
	return fault.Clean(text)
}
