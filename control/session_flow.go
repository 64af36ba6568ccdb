package control

import (
	"context"
	"errors"
	"io"

	"github.com/coder/websocket"
)

// errDetached ends the streams of a session that is over.
var errDetached = errors.New("the session is over")

// frames are the frames of a session on a WebSocket, one reader's and many
// writers'. The end of ctx breaks the connection.
type frames struct {
	ctx context.Context
	ws  *webSocket
	buf [2 + FrameLimit]byte // a byte more than a frame may have
}

// send sends a frame as ParseFrame reads it.
func (f *frames) send(p []byte) error { return f.ws.Write(f.ctx, websocket.MessageBinary, p) }

func (f *frames) grant(s Stream, n uint32) error {
	if n == 0 {
		return nil
	}
	return f.send(Grant{s, n}.Frame().Append(nil))
}

// next returns the next frame, whose data is good until the one after it.
func (f *frames) next() (Frame, error) {
	kind, r, err := f.ws.Reader(f.ctx)
	if err != nil {
		return Frame{}, err
	}
	if kind != websocket.MessageBinary {
		return Frame{}, errors.New("a text message after the first")
	}
	n, err := io.ReadFull(r, f.buf[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Frame{}, err
	}
	return ParseFrame(f.buf[:n])
}
