package control

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// Stream is what a binary frame of a session belongs to: its first byte. The
// client sends stdin, resize and signal, the daemon stdout, stderr and exit, and
// each credit for what it receives.
type Stream byte

// The streams.
const (
	Stdin Stream = iota // an empty frame is EOF, here and in the next two
	Stdout
	Stderr
	Resize // of the terminal: a WindowSize
	Signal // a name of RFC 4254 section 6.10
	Exit   // the last frame: an Outcome, as JSON
	Credit // a Grant
)

// FrameLimit is the most that a frame holds beside its first byte.
const FrameLimit = 128 << 10

// Frame is one binary frame of a session.
type Frame struct {
	Stream Stream
	Data   []byte
}

// WindowSize is that of a terminal, in cells and, where known, in pixels.
type WindowSize struct {
	Columns uint32 `json:"columns"`
	Rows    uint32 `json:"rows"`
	Width   uint32 `json:"width"`
	Height  uint32 `json:"height"`
}

// Grant lets the other side send so many more bytes of a stream.
type Grant struct {
	Stream Stream // Stdin, Stdout or Stderr
	Bytes  uint32
}

// Outcome is what the last frame tells: how a session ended, or why nobody knows.
type Outcome struct {
	SessionExit
	Error *problem `json:"error,omitempty"` // such as that of a lost connection
}

// ParseFrame reads a frame and checks its length for its stream. The data is not
// copied.
func ParseFrame(p []byte) (Frame, error) {
	if len(p) == 0 {
		return Frame{}, errors.New("a frame without a stream")
	}
	f := Frame{Stream(p[0]), p[1:]}
	least, most := 0, FrameLimit
	switch f.Stream {
	case Stdin, Stdout, Stderr:
	case Resize:
		least, most = 16, 16
	case Signal:
		least, most = 1, 32
	case Exit:
		least = 2
	case Credit:
		least, most = 5, 5
	default:
		return Frame{}, fmt.Errorf("a frame of stream %d, which is unknown", f.Stream)
	}
	if n := len(f.Data); n < least || n > most {
		return Frame{}, fmt.Errorf("a frame of stream %d with %d bytes", f.Stream, n)
	}
	return f, nil
}

// Append adds the frame as ParseFrame reads it.
func (f Frame) Append(p []byte) []byte { return append(append(p, byte(f.Stream)), f.Data...) }

// Frame returns the frame of a size.
func (s WindowSize) Frame() Frame {
	var p []byte
	for _, n := range []uint32{s.Columns, s.Rows, s.Width, s.Height} {
		p = binary.BigEndian.AppendUint32(p, n)
	}
	return Frame{Resize, p}
}

// WindowSize reads a frame of Resize.
func (f Frame) WindowSize() (WindowSize, error) {
	if f.Stream != Resize || len(f.Data) != 16 {
		return WindowSize{}, errors.New("not a size")
	}
	n := func(i int) uint32 { return binary.BigEndian.Uint32(f.Data[4*i:]) }
	return WindowSize{n(0), n(1), n(2), n(3)}, nil
}

// Frame returns the frame of a grant.
func (g Grant) Frame() Frame {
	return Frame{Credit, binary.BigEndian.AppendUint32([]byte{byte(g.Stream)}, g.Bytes)}
}

// Grant reads a frame of Credit.
func (f Frame) Grant() (Grant, error) {
	if f.Stream != Credit || len(f.Data) != 5 || Stream(f.Data[0]) > Stderr {
		return Grant{}, errors.New("not a credit")
	}
	return Grant{Stream(f.Data[0]), binary.BigEndian.Uint32(f.Data[1:])}, nil
}

// SignalFrame returns the frame of a signal.
func SignalFrame(name string) Frame { return Frame{Signal, []byte(name)} }

// Signal reads a frame of Signal: capital letters and digits.
func (f Frame) Signal() (string, error) {
	if f.Stream != Signal || len(f.Data) == 0 {
		return "", errors.New("not a signal")
	}
	for _, b := range f.Data {
		if (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			return "", fmt.Errorf("not a signal: %q", f.Data)
		}
	}
	return string(f.Data), nil
}

// Frame returns the frame of an outcome.
func (o Outcome) Frame() (Frame, error) {
	p, err := json.Marshal(o)
	return Frame{Exit, p}, err
}

// Outcome reads a frame of Exit.
func (f Frame) Outcome() (o Outcome, err error) {
	if f.Stream != Exit {
		return o, errors.New("not an exit")
	}
	if err := json.Unmarshal(f.Data, &o); err != nil {
		return Outcome{}, fmt.Errorf("exit: %w", err)
	}
	return o, nil
}
