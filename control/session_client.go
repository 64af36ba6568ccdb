package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"

	"github.com/coder/websocket"
)

// Session runs a program on the profile's server, as [Daemon] says. Where the
// daemon refuses it, nothing was read of Stdin.
func (c *Client) Session(ctx context.Context, profile string, r SessionRequest, s SessionStreams) (SessionExit, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return SessionExit{}, err
	}
	ws, err := c.upgrade(ctx, quickLimit, "/v1/profiles/"+url.PathEscape(profile)+"/session")
	if err != nil {
		return SessionExit{}, err
	}
	defer ws.CloseNow()
	ws.SetReadLimit(1 + FrameLimit)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := newAttached(ctx, cancel, ws, s)
	if err := ws.Write(ctx, websocket.MessageText, text); err != nil {
		return SessionExit{}, fmt.Errorf("the daemon at %s: %w", c.path, err)
	}
	o, err := a.run()
	switch {
	case ctx.Err() != nil:
		return SessionExit{}, context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return SessionExit{}, fmt.Errorf("the daemon at %s is gone: %w", c.path, io.ErrUnexpectedEOF)
	case err != nil:
		return SessionExit{}, fmt.Errorf("the daemon at %s ended the session: %w", c.path, err)
	case o.Error != nil:
		return SessionExit{}, o.Error.err()
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	return o.SessionExit, nil
}

// attached is the client's end of a session.
type attached struct {
	frames  frames
	cancel  context.CancelCauseFunc
	near    SessionStreams
	stdin   *sender
	outputs [Stderr + 1]*receiver // by stream
	started bool
	work    sync.WaitGroup // of what ends with the session
}

func newAttached(ctx context.Context, cancel context.CancelCauseFunc, ws *webSocket, s SessionStreams) *attached {
	a := &attached{frames: frames{ctx: ctx, ws: ws}, cancel: cancel, near: s}
	a.stdin = newSender(&a.frames, Stdin)
	for _, stream := range []Stream{Stdout, Stderr} {
		a.outputs[stream] = newReceiver(&a.frames, stream)
	}
	return a
}

// run serves the session until the last frame. It returns when all output is
// written.
func (a *attached) run() (Outcome, error) {
	for stream, to := range map[Stream]io.Writer{Stdout: a.near.Stdout, Stderr: a.near.Stderr} {
		if err := a.outputs[stream].open(); err != nil {
			return Outcome{}, err
		}
		a.work.Go(func() { a.put(to, a.outputs[stream]) })
	}
	over := make(chan struct{})
	a.work.Go(func() { a.forward(over) })
	o, err := a.read()
	close(over)
	a.stdin.detach()
	for _, stream := range []Stream{Stdout, Stderr} {
		a.outputs[stream].close(io.EOF)
	}
	a.work.Wait()
	return o, err
}

// read takes what the daemon sends, up to the last frame.
func (a *attached) read() (Outcome, error) {
	for {
		f, err := a.frames.next()
		if err == nil && f.Stream == Exit {
			return f.Outcome()
		}
		if err == nil {
			err = a.take(f)
		}
		if err != nil {
			return Outcome{}, err
		}
	}
}

func (a *attached) take(f Frame) error {
	switch f.Stream {
	case Stdout, Stderr:
		return a.outputs[f.Stream].take(f.Data)
	case Credit:
		g, err := f.Grant()
		if err == nil && g.Stream != Stdin {
			err = errors.New("output is not granted by who sends it")
		}
		if err != nil {
			return err
		}
		a.start()
		return a.stdin.add(g.Bytes)
	default:
		return errors.New("only a client sends that")
	}
}

// start hears of the first grant of stdin: the program runs.
func (a *attached) start() {
	if a.started {
		return
	}
	a.started = true
	if a.near.Started != nil {
		a.near.Started()
	}
	go a.feed() // nothing ends a read of the terminal
}

// feed sends what is typed.
func (a *attached) feed() {
	if a.near.Stdin != nil {
		if _, err := io.Copy(a.stdin, a.near.Stdin); err != nil && a.stdin.isDetached() {
			return
		}
	}
	_ = a.stdin.closeWrite() // the reader finds out that the daemon is gone
}

// put writes what the program says. Where that fails, the session is over.
func (a *attached) put(to io.Writer, from io.Reader) {
	if to == nil {
		to = io.Discard
	}
	if _, err := io.Copy(to, from); err != nil && !errors.Is(err, errDetached) {
		a.cancel(err)
	}
}

// forward sends resizes and signals until the session is over.
func (a *attached) forward(over <-chan struct{}) {
	for {
		var f Frame
		select {
		case size := <-a.near.Resizes:
			f = size.Frame()
		case name := <-a.near.Signals:
			f = SignalFrame(name)
		case <-over:
			return
		}
		if a.frames.send(f.Append(nil)) != nil {
			return
		}
	}
}
