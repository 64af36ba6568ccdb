package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"tunneld/control"
	"tunneld/internal/logfile"
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
	logfile.File
}

// newEventFiles keeps events in dir, at most limit bytes in each of two files;
// "" keeps none.
func newEventFiles(dir string, limit int64) eventFiles {
	if dir == "" {
		return eventFiles{}
	}
	return eventFiles{logfile.File{Path: filepath.Join(dir, eventsFile), Older: filepath.Join(dir, olderEventsFile), Limit: limit}}
}

// write appends e. After an error the file is opened anew.
func (f *eventFiles) write(e control.Event) error {
	if f.Path == "" {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return err
}

// readTail tells the events in the last n bytes, oldest first, while tell wants
// more.
func (f *eventFiles) readTail(n int64, tell func(control.Event) (more bool)) error {
	if f.Path == "" {
		return nil
	}
	older, latest, err := f.OpenBoth()
	defer closeFiles(older, latest)
	more := true
	tellMore := func(e control.Event) bool { more = tell(e); return more }
	err = errors.Join(err, readFile(older, n-sizeOf(latest), tellMore))
	if more {
		err = errors.Join(err, readFile(latest, n, tellMore))
	}
	return err
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
	f := newEventFiles(state, 0)
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
