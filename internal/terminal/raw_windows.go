package terminal

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/term"
)

// sizeInterval is how often the size of a console is looked at: Windows tells
// changes only to who reads its events in place of its bytes.
const sizeInterval = 250 * time.Millisecond

func showEscapes(out *os.File) (restore func()) {
	console := windows.Handle(out.Fd())
	var before uint32
	if windows.GetConsoleMode(console, &before) != nil {
		return func() {} // no console: a file takes all bytes
	}
	_ = windows.SetConsoleMode(console, before|windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING|windows.DISABLE_NEWLINE_AUTO_RETURN)
	return func() { _ = windows.SetConsoleMode(console, before) }
}

// Open opens the console that this process was started from.
func Open() (in, out *os.File, err error) {
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return in, out, nil
}

// SizeOf returns the size of f, a console.
func SizeOf(f *os.File) (Size, error) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	return Size{Columns: uint32(columns), Rows: uint32(rows)}, err
}

// Resizes tells the size of f at each change, until ctx ends.
func Resizes(ctx context.Context, f *os.File, tell func(Size)) {
	last, _ := SizeOf(f)
	ticks := time.NewTicker(sizeInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if size, err := SizeOf(f); err == nil && size != last {
				last = size
				tell(size)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Modes returns nil: a console has no modes of this kind.
func Modes(*os.File) map[uint8]uint32 { return nil }

// Suspend is not possible: Windows has no job control.
func Suspend() error { return errors.ErrUnsupported }
