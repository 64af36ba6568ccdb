package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"tunneld/control"
)

// The files of events in the state folder: the one that grows, and the one
// from before it.
const (
	eventsFile      = "events.jsonl"
	olderEventsFile = "events.1.jsonl"
)

// lineBytes bounds a line that is read: detailBytes, escaped, and the rest.
const lineBytes = 256 << 10

// eventFiles are events on disk, one JSON document a line. One goroutine writes.
type eventFiles struct {
	dir   string // empty: nothing is kept
	limit int64  // of each of the two, in bytes

	open *os.File // the one that grows; nil until it is written to
	size int64
}

// write appends e. After an error the file is opened anew.
func (f *eventFiles) write(e control.Event) error {
	if f.dir == "" {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := f.makeRoom(int64(len(line)) + 1); err != nil {
		return err
	}
	n, err := f.open.Write(append(line, '\n'))
	f.size += int64(n)
	if err != nil {
		f.close()
	}
	return err
}

// makeRoom opens the file, and begins another where n bytes are too many.
func (f *eventFiles) makeRoom(n int64) error {
	if f.open == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	if f.size == 0 || f.size+n <= f.limit {
		return nil
	}
	f.close()
	if err := os.Rename(filepath.Join(f.dir, eventsFile), filepath.Join(f.dir, olderEventsFile)); err != nil {
		return err
	}
	return f.begin()
}

// begin opens the file. A last line without an end, from a crash or a full
// disk, is ended, so that it spoils no other.
func (f *eventFiles) begin() error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(f.dir, eventsFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := endLastLine(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.open, f.size = file, size
	return nil
}

// endLastLine returns the size of the file, which ends with a line.
func endLastLine(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return info.Size(), nil
	}
	n, err := file.Write([]byte("\n"))
	return info.Size() + int64(n), err
}

// close lets go of the file; all of it was written.
func (f *eventFiles) close() {
	if f.open != nil {
		_ = f.open.Close()
	}
	f.open = nil
}

// readTail tells the events in the last n bytes, oldest first, while tell wants
// more.
func (f *eventFiles) readTail(n int64, tell func(control.Event) (more bool)) error {
	if f.dir == "" {
		return nil
	}
	older, latest, err := f.openBoth()
	defer closeFiles(older, latest)
	more := true
	tellMore := func(e control.Event) bool { more = tell(e); return more }
	err = errors.Join(err, readFile(older, n-sizeOf(latest), tellMore))
	if more {
		err = errors.Join(err, readFile(latest, n, tellMore))
	}
	return err
}

// openBoth opens both files before either is read, since that may take as long
// as whoever is told: what one moves to the other meanwhile is not lost. nil is
// a file that is not there.
func (f *eventFiles) openBoth() (older, latest *os.File, err error) {
	for {
		latest, err1 := openIfAny(filepath.Join(f.dir, eventsFile))
		older, err2 := openIfAny(filepath.Join(f.dir, olderEventsFile))
		if !isSameFile(older, latest) {
			return older, latest, errors.Join(err1, err2)
		}
		older.Close()
		latest.Close() // moved between the two
	}
}

func openIfAny(path string) (*os.File, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return file, err
}

func isSameFile(a, b *os.File) bool {
	one, err1 := a.Stat()
	other, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

// sizeOf is 0 for a file that is not there.
func sizeOf(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// KeptEvents tells the events that a daemon has left in its state folder,
// oldest first.
func KeptEvents(state string, tell func(control.Event)) error {
	f := eventFiles{dir: state}
	return f.readTail(math.MaxInt64, func(e control.Event) bool { tell(e); return true })
}

// readFile tells the events in the last n bytes of a file, which need not be
// there, while tell wants more.
func readFile(file *os.File, n int64, tell func(control.Event) (more bool)) error {
	if file == nil || n <= 0 {
		return nil
	}
	if sizeOf(file) > n {
		if _, err := file.Seek(-n, io.SeekEnd); err != nil {
			return err
		}
	}
	return readEvents(file, tell)
}

// readEvents tells the events in r, one JSON document a line, while tell wants
// more. A line that is none, such as one cut off by a crash, is left out.
func readEvents(r io.Reader, tell func(control.Event) (more bool)) error {
	lines := bufio.NewReaderSize(r, lineBytes)
	tooLong := false
	for {
		line, err := lines.ReadSlice('\n')
		var e control.Event
		isEvent := !tooLong && json.Unmarshal(line, &e) == nil && !e.Time.IsZero() && e.Message != ""
		tooLong = errors.Is(err, bufio.ErrBufferFull)
		switch {
		case isEvent && !tooLong && !tell(e):
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !tooLong:
			return err
		}
	}
}

// closeFiles closes what was only read; nil is no file.
func closeFiles(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
