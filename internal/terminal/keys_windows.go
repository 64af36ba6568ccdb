package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

// Keys makes f, a console, hand over every key at once and unseen; Ctrl-C
// still interrupts. restore brings back the mode before.
func Keys(f *os.File) (restore func(), err error) {
	console := windows.Handle(f.Fd())
	var before uint32
	if err := windows.GetConsoleMode(console, &before); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(console, before&^(windows.ENABLE_LINE_INPUT|windows.ENABLE_ECHO_INPUT)); err != nil {
		return nil, err
	}
	return func() { _ = windows.SetConsoleMode(console, before) }, nil
}
