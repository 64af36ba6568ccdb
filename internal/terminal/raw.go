package terminal

import (
	"os"
	"sync"

	"golang.org/x/term"
)

// Size is that of a terminal, in cells and, where the system tells, in pixels.
type Size struct{ Columns, Rows, Width, Height uint32 }

// Raw makes in, a terminal, hand over every byte as it is typed, and out show
// what programs for a VT100 write. restore brings back both as they were; it may
// be called more than once.
func Raw(in, out *os.File) (restore func(), err error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	restoreOutput := showEscapes(out)
	var once sync.Once
	return func() {
		once.Do(func() {
			restoreOutput()
			_ = term.Restore(int(in.Fd()), before) // a terminal that is gone has no modes
		})
	}, nil
}
