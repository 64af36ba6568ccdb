package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"tunneld/fault"
)

// session serves a shell or a command: the first message is the request, then
// frames go both ways, and the last one tells the outcome.
func (s *server) session(w *response, r *http.Request) error {
	ws, release, err := s.upgrade(w, r)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	saying, stop := lingering(ctx)
	defer stop()
	request, err := readRequest(ctx, ws)
	h := newHosted(saying, ws)
	var exit SessionExit
	if err == nil {
		reading := make(chan struct{})
		go h.read(cancel, reading)
		err = contained(func() (err error) {
			exit, err = s.daemon.Session(ctx, r.PathValue("name"), request, h.streams())
			return err
		})
		defer func() { stop(); <-reading }()
	}
	h.detach()
	w.cause = err
	h.tell(exit, err)
	return nil
}

// readRequest reads the first message.
func readRequest(ctx context.Context, ws *webSocket) (r SessionRequest, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	ws.SetReadLimit(bodyBytes)
	kind, text, err := ws.Reader(ctx)
	if err == nil && kind != websocket.MessageText {
		err = &refusal{http.StatusBadRequest, "the first message: want the request, as text"}
	}
	if err == nil {
		err = decodeStrict(text, &r)
	}
	ws.SetReadLimit(1 + FrameLimit)
	return r, err
}

// hosted is the daemon's end of a session.
type hosted struct {
	frames  frames
	stdin   *receiver
	outputs [Stderr + 1]*sender // by stream
	resizes chan WindowSize     // holds the latest
	signals chan string
}

func newHosted(ctx context.Context, ws *webSocket) *hosted {
	h := &hosted{frames: frames{ctx: ctx, ws: ws}, resizes: make(chan WindowSize, 1), signals: make(chan string, 16)}
	h.stdin = newReceiver(&h.frames, Stdin)
	for _, s := range []Stream{Stdout, Stderr} {
		h.outputs[s] = newSender(&h.frames, s)
	}
	return h
}

func (h *hosted) streams() SessionStreams {
	return SessionStreams{
		Stdin: h.stdin, Stdout: h.outputs[Stdout], Stderr: h.outputs[Stderr],
		Resizes: h.resizes, Signals: h.signals,
		Started: func() { _ = h.stdin.open() }, // the reader finds out that the client is gone
	}
}

// errLeft ends the session of a client that is gone.
var errLeft = errors.New("the client left")

// read takes what the client sends until it is gone: then the session is over.
func (h *hosted) read(gone context.CancelCauseFunc, over chan<- struct{}) {
	defer close(over)
	for {
		frame, err := h.frames.next()
		if err == nil {
			err = h.take(frame)
		}
		if err != nil {
			gone(errLeft)
			h.detach()
			return
		}
	}
}

func (h *hosted) take(f Frame) error {
	switch f.Stream {
	case Stdin:
		return h.stdin.take(f.Data)
	case Resize:
		size, err := f.WindowSize()
		if err == nil {
			offerLatest(h.resizes, size)
		}
		return err
	case Signal:
		name, err := f.Signal()
		select {
		case h.signals <- name:
		default: // more than a program hears of
		}
		return err
	case Credit:
		g, err := f.Grant()
		if err == nil && g.Stream == Stdin {
			err = errors.New("stdin is not granted by who sends it")
		}
		if err != nil {
			return err
		}
		return h.outputs[g.Stream].add(g.Bytes)
	default:
		return errors.New("only a daemon sends output")
	}
}

// offerLatest puts v into a channel that holds one, in place of what it has.
func offerLatest[T any](c chan T, v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// detach releases whoever still uses the streams.
func (h *hosted) detach() {
	h.stdin.close(errDetached)
	for _, s := range []Stream{Stdout, Stderr} {
		h.outputs[s].detach()
	}
}

// goodbyeLimit bounds how long a client may take to hear the last frame.
const goodbyeLimit = 5 * time.Second

// tell sends the outcome, and waits a moment for the client to take it.
func (h *hosted) tell(exit SessionExit, failure error) {
	o := Outcome{SessionExit: exit}
	if failure != nil {
		_, p := problemOf(failure)
		p.Message = fault.Clean(p.Message)
		o.Error = &p
	}
	frame, err := o.Frame()
	if err != nil {
		return // strings and numbers always marshal
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.frames.ctx), goodbyeLimit)
	defer cancel()
	if h.frames.ws.Write(ctx, websocket.MessageBinary, frame.Append(nil)) == nil {
		_ = h.frames.ws.Close(websocket.StatusNormalClosure, "")
	}
}
