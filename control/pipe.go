package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/coder/websocket"
)

// dial serves a connection through the profile's server.
func (s *server) dial(w *response, r *http.Request) error {
	return s.pipe(w, r, func(ctx context.Context) (Pipe, error) {
		return s.daemon.Dial(ctx, r.PathValue("name"), r.URL.Query().Get("target"))
	})
}

// pipe serves bytes both ways between a WebSocket and what open returns. Until
// that is there, a failure is a problem document.
func (s *server) pipe(w *response, r *http.Request, open func(ctx context.Context) (Pipe, error)) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	far, err := open(ctx)
	if err != nil {
		return err
	}
	defer far.Close()
	ws, release, err := s.upgrade(w, r)
	if err != nil {
		return err
	}
	defer release()
	saying, stop := lingering(ctx)
	defer stop()
	w.cause = relay(newSocketPipe(saying, ws, "the client"), far)
	return nil
}

// relay copies both ways until both ends are over, or one broke: then the other
// is told. It returns why.
func relay(near *socketPipe, far Pipe) error {
	up := make(chan error, 1)
	go relayUp(newPatientPipe(far, near), near, up)
	down := copyOver(near, far)
	if down != nil {
		near.fail(down)
		far.Close()
	}
	err := errors.Join(down, <-up)
	_ = near.Close()
	return err
}

func relayUp(far, near Pipe, over chan<- error) {
	err := copyOver(far, near)
	if errors.Is(err, io.EOF) { // of a write: the far end takes no more, but what it sent still comes
		err = nil
	}
	if err != nil {
		far.Close()
	}
	over <- err
}

// copyOver copies one direction and ends it.
func copyOver(to, from Pipe) error {
	buf := make([]byte, firstRead)
	for {
		n, end := from.Read(buf)
		if n > 0 { // a pipe waits for a reader of nothing, too
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case end == io.EOF:
			return to.CloseWrite()
		case end != nil:
			return end
		case n == len(buf) && n < FrameLimit:
			buf = make([]byte, FrameLimit)
		}
	}
}

// Dial connects to a target as the profile's server sees it.
func (c *Client) Dial(ctx context.Context, profile, target string) (Pipe, error) {
	return c.pipe(ctx, "/v1/profiles/"+url.PathEscape(profile)+"/dial?"+url.Values{"target": {target}}.Encode())
}

// pipe asks for bytes both ways.
func (c *Client) pipe(ctx context.Context, path string) (Pipe, error) {
	ws, err := c.upgrade(ctx, traceLimit, path)
	if err != nil {
		return nil, err
	}
	return newSocketPipe(ctx, ws, "the daemon at "+c.path), nil
}

// socketPipe is a Pipe on a WebSocket: binary messages are bytes, an empty one
// ends a direction, and a text message is the problem that broke the other side.
// The end of ctx breaks it.
type socketPipe struct {
	ctx     context.Context
	ws      *webSocket
	peer    string    // what the other side is called
	message io.Reader // that is being read, or nil
	empty   bool      // nothing of it came so far
	over    error     // why nothing more is read

	wrote, read atomic.Bool // a direction is ended
}

func newSocketPipe(ctx context.Context, ws *webSocket, peer string) *socketPipe {
	ws.SetReadLimit(FrameLimit)
	return &socketPipe{ctx: ctx, ws: ws, peer: peer}
}

// Read implements Pipe.
func (p *socketPipe) Read(b []byte) (n int, err error) {
	for p.over == nil && len(b) > 0 {
		if p.message == nil {
			p.message, p.over = p.next()
			continue
		}
		n, err = p.message.Read(b)
		switch {
		case n > 0:
			p.empty = false
			return n, nil
		case errors.Is(err, io.EOF) && p.empty:
			p.read.Store(true)
			p.over = io.EOF
		case errors.Is(err, io.EOF):
			p.message = nil
		case err != nil:
			p.over = err
		}
	}
	return 0, p.over
}

func (p *socketPipe) next() (io.Reader, error) {
	kind, r, err := p.ws.Reader(p.ctx)
	switch {
	case p.ctx.Err() != nil:
		return nil, context.Cause(p.ctx)
	case errors.Is(err, io.EOF): // which means another end here
		return nil, fmt.Errorf("%s is gone: %w", p.peer, io.ErrUnexpectedEOF)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p.peer, err)
	case kind == websocket.MessageBinary:
		p.empty = true
		return r, nil
	}
	var why problem
	if err := json.NewDecoder(r).Decode(&why); err != nil {
		return nil, fmt.Errorf("a problem: %w", err)
	}
	return nil, why.err()
}

// Write implements Pipe. It takes as long as the other side does.
func (p *socketPipe) Write(b []byte) (n int, err error) {
	for n < len(b) {
		size := min(len(b)-n, FrameLimit)
		if err := p.ws.Write(p.ctx, websocket.MessageBinary, b[n:n+size]); err != nil {
			return n, err
		}
		n += size
	}
	return n, nil
}

// CloseWrite implements Pipe.
func (p *socketPipe) CloseWrite() error {
	p.wrote.Store(true)
	return p.ws.Write(p.ctx, websocket.MessageBinary, nil)
}

// Close releases what is on its way only if both directions are ended: else the
// connection is cut.
func (p *socketPipe) Close() error {
	if p.wrote.Load() && p.read.Load() {
		return p.ws.Close(websocket.StatusNormalClosure, "")
	}
	return p.ws.CloseNow()
}

// fail tells the other side why this one broke.
func (p *socketPipe) fail(why error) {
	_, doc := problemOf(why)
	text, err := json.Marshal(doc)
	if err != nil {
		return // strings always marshal
	}
	ctx, cancel := context.WithTimeout(p.ctx, goodbyeLimit)
	defer cancel()
	if p.ws.Write(ctx, websocket.MessageText, text) == nil {
		_ = p.ws.Close(websocket.StatusNormalClosure, "")
	}
}
