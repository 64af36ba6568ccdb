package main

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"tunneld/control"
)

// keyHelp are the keys of the live screen: as the help has them, and in a word
// for the last line, where there is room.
var keyHelp = [][3]string{
	{"?", "show or hide this", "? help"},
	{"q, Ctrl-C", "leave; Ctrl-Z and fg: for a while", "q quit"},
	{"up, down, j, k", "choose a profile or forward; also PgUp, PgDn, Home, End", ""},
	{"r", "connect or listen anew; open connections are cut", "r restart"},
	{"s", "stop it until the next start, or start it", "s stop"},
	{"u", "answer what the profile waits for: a passphrase, a host key", "u unlock"},
	{"/", "show only names with this text; Esc shows all again", "/ filter"},
	{"e", "show or hide the events", "e events"},
}

// key does what a key stands for.
func (l *live) key(k tea.KeyPressMsg) tea.Cmd {
	l.message = ""
	switch k.String() {
	case "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	}
	if l.typing {
		l.typeFilter(k)
		return nil
	}
	switch k.String() {
	case "q":
		return tea.Quit
	case "r":
		return l.act(control.Restart)
	case "s":
		return l.act(l.toggle())
	case "u":
		return l.unlock()
	case "/":
		l.typing, l.help = true, false
	case "e":
		l.noEvents = !l.noEvents
	case "?":
		l.help = !l.help
	case "esc":
		l.filter, l.help = "", false
	default:
		l.move(k)
	}
	return nil
}

// typeFilter edits the filter, which works while it is typed.
func (l *live) typeFilter(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		l.typing = false
	case "esc":
		l.typing, l.filter = false, ""
	case "backspace":
		if letters := []rune(l.filter); len(letters) > 0 {
			l.filter = string(letters[:len(letters)-1])
		}
	case "ctrl+u":
		l.filter = ""
	default:
		l.filter += strings.TrimSpace(k.Text)
	}
}

// move moves the cursor.
func (l *live) move(k tea.KeyPressMsg) {
	items := l.items()
	at, page := l.selected(items), max(l.height/2, 1)
	switch k.String() {
	case "up", "k":
		at--
	case "down", "j":
		at++
	case "pgup":
		at -= page
	case "pgdown":
		at += page
	case "home", "g":
		at = 0
	case "end", "G":
		at = len(items) - 1
	}
	if at = min(max(at, 0), len(items)-1); at >= 0 {
		l.cursor, l.at = items[at].place, at
	}
}

// chosen returns what the cursor is on, if there is anything.
func (l *live) chosen() (item, bool) {
	items := l.items()
	if len(items) == 0 {
		return item{}, false
	}
	return items[l.selected(items)], true
}

// toggle is what s does to what is chosen.
func (l *live) toggle() control.Action {
	if i, _ := l.chosen(); i.stopped {
		return control.Up
	}
	return control.Down
}

func (l *live) act(action control.Action) tea.Cmd {
	i, ok := l.chosen()
	switch {
	case !ok:
		return nil
	case i.place.display != "":
		l.message = i.place.String() + " starts and stops with " + i.place.profile
		return nil
	default:
		return l.asks.act(action, i.place.target)
	}
}

// unlock begins the conversation that the chosen profile waits for.
func (l *live) unlock() tea.Cmd {
	i, ok := l.chosen()
	switch {
	case !ok:
		return nil
	case !i.asks:
		l.message = i.place.profile + " waits for nobody"
		return nil
	default:
		return l.asks.answer(i.place.profile)
	}
}
