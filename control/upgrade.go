package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// sockets is how many WebSockets there may be at once: they stay for long, and
// have places of their own.
const sockets = 256

// upgrade makes a WebSocket of a request (RFC 6455). The caller ends it with
// release. Nothing bounds what is written to it but the end of the request's
// context: a client that takes its time makes the other side wait.
func (s *server) upgrade(w *response, r *http.Request) (ws *webSocket, release func(), err error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return nil, nil, &refusal{http.StatusUpgradeRequired, "this is a WebSocket: ask with Upgrade: websocket"}
	}
	select {
	case s.upgraded <- struct{}{}:
	default:
		return nil, nil, &refusal{http.StatusServiceUnavailable, fmt.Sprintf("%d sessions and connections are open already", sockets)}
	}
	s.places.open.Add(1) // net/http forgets the connection now
	w.leave()
	corker := &corker{ResponseWriter: w}
	conn, err := websocket.Accept(corker, r, nil)
	if err != nil {
		s.downgrade(nil)
		return nil, nil, err
	}
	return &webSocket{conn, corker.cork}, func() { s.downgrade(conn) }, nil
}

// downgrade ends what upgrade made.
func (s *server) downgrade(ws *websocket.Conn) {
	if ws != nil {
		_ = ws.CloseNow()
	}
	<-s.upgraded
	s.places.open.Done()
}

// lingering ends closeLimit after ctx: when that ends, the client still hears
// why. stop ends it at once.
func lingering(ctx context.Context) (late context.Context, stop func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() { time.AfterFunc(closeLimit, cancel) })
	return late, func() { forget(); cancel() }
}

// upgrade asks for a WebSocket. ctx bounds the request, and limit too.
func (c *Client) upgrade(ctx context.Context, limit time.Duration, path string) (*webSocket, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asking := &asking{next: c.http.Transport}
	conn, _, err := websocket.Dial(ctx, "http://tunneld"+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: asking}})
	switch {
	case asking.refused != nil:
		return nil, asking.refused
	case err != nil:
		return nil, c.unanswered(err)
	}
	return &webSocket{conn, asking.cork}, nil
}

// asking keeps the problem with which a request was refused, since the
// WebSocket's client would cut its text, and else the connection.
type asking struct {
	next    http.RoundTripper
	refused error
	cork    *cork
}

// RoundTrip implements http.RoundTripper.
func (a *asking) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(r)
	if err == nil && answer.StatusCode >= http.StatusBadRequest {
		defer answer.Body.Close()
		a.refused = readProblem(answer)
		return nil, a.refused
	}
	if err == nil && answer.StatusCode == http.StatusSwitchingProtocols {
		a.cork = &cork{ReadWriteCloser: answer.Body.(io.ReadWriteCloser)} // as net/http promises
		answer.Body = a.cork
	}
	return answer, err
}
