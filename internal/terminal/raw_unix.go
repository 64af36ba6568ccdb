//go:build !windows

package terminal

import (
	"context"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// showEscapes does nothing: these terminals do.
func showEscapes(*os.File) (restore func()) { return func() {} }

// Open opens the terminal that this process was started from.
func Open() (in, out *os.File, err error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return f, f, err
}

// SizeOf returns the size of f, a terminal.
func SizeOf(f *os.File) (Size, error) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Size{}, err
	}
	return Size{uint32(w.Col), uint32(w.Row), uint32(w.Xpixel), uint32(w.Ypixel)}, nil
}

// Resizes tells the size of f at each change, until ctx ends.
func Resizes(ctx context.Context, f *os.File, tell func(Size)) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	defer signal.Stop(changes)
	for {
		select {
		case <-changes:
			if size, err := SizeOf(f); err == nil {
				tell(size)
			}
		case <-ctx.Done():
			return
		}
	}
}

// stopTime bounds how long a stop that this process asked for may take to come.
const stopTime = 500 * time.Millisecond

// Suspend stops this process and those of its job, as Ctrl-Z does, and returns
// when a shell continues it; soon, where no shell could: such a job the system
// does not stop.
func Suspend() error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, unix.SIGCONT)
	defer signal.Stop(again)
	if err := unix.Kill(0, unix.SIGTSTP); err != nil {
		return err
	}
	select {
	case <-again:
	case <-time.After(stopTime):
	}
	return nil
}
