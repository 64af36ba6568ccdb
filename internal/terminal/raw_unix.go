//go:build !windows

package terminal

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// showEscapes does nothing: these terminals do.
func showEscapes(*os.File) (restore func()) { return func() {} }

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

// Suspend stops this process and those of its job, as Ctrl-Z does, and returns
// when a shell continues it.
func Suspend() error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, unix.SIGCONT)
	defer signal.Stop(again)
	if err := unix.Kill(0, unix.SIGTSTP); err != nil {
		return err
	}
	<-again
	return nil
}
