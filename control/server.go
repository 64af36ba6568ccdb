package control

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"tunneld/fault"
)

// The limits of the server. No client, however slow, holds anything for longer.
const (
	headerLimit = 5 * time.Second  // to send the request line and header
	readLimit   = 15 * time.Second // to send the whole request
	writeLimit  = 10 * time.Second // to take what is written at once
	idleLimit   = time.Minute      // between two requests
	closeLimit  = time.Second      // for answers under way when the server ends
	headerBytes = 16 << 10
	bodyBytes   = 1 << 20
	connections = 64 // at once; the next wait until one ends
)

// Options are what a server may be told besides its daemon.
type Options struct {
	// Served, if not nil, hears of every request when it is over, from any
	// goroutine.
	Served func(Access)
}

// Access is one request that was answered.
type Access struct {
	Peer   Peer
	Method string
	Path   string // escaped, as it was asked
	Status int    // of HTTP
	Err    error  // why it failed, or nil; a *fault.Panic where the daemon panicked
}

// server answers requests out of a daemon.
type server struct {
	daemon Daemon
	served func(Access)
	mux    *http.ServeMux
	conns  sync.WaitGroup // one for every connection
	places chan struct{}  // each connection holds one
	ending <-chan struct{}

	followers chan struct{} // each holds a place
	upgraded  chan struct{} // each WebSocket holds a place
}

func newServer(d Daemon) *server {
	s := &server{
		daemon: d, places: make(chan struct{}, connections),
		followers: make(chan struct{}, followers), upgraded: make(chan struct{}, sockets),
	}
	s.mux = s.newMux()
	return s
}

// Serve answers the local API on l out of d until ctx ends. It closes l, and
// returns when every request and connection is over.
func Serve(ctx context.Context, l net.Listener, d Daemon, o Options) error {
	serving, end := context.WithCancel(ctx)
	defer end()
	s := newServer(d)
	s.served, s.ending = o.Served, serving.Done()
	h := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       readLimit,
		WriteTimeout:      writeLimit, // each write has it anew, see response
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    headerBytes,
		BaseContext:       func(net.Listener) context.Context { return serving },
		ConnContext:       withPeer,
		ConnState:         s.count,
		ErrorLog:          log.New(io.Discard, "", 0), // panics are in Access
	}
	var closing sync.WaitGroup
	closing.Go(func() { closeAfter(serving, h) })
	err := h.Serve(l)
	end()
	closing.Wait()
	s.conns.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return ctx.Err()
	}
	return err
}

// closeAfter ends h after ctx: answers under way get closeLimit.
func closeAfter(ctx context.Context, h *http.Server) {
	<-ctx.Done()
	limited, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if h.Shutdown(limited) != nil {
		_ = h.Close() // the listener is closed already
	}
}

// count keeps the number of connections, whose end Serve waits for. It is called
// for a new one by the loop that accepts: while all places are taken, no more
// are accepted.
func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
		select {
		case s.places <- struct{}{}:
		case <-s.ending: // net/http closes nothing before this loop goes on
		}
	case http.StateClosed, http.StateHijacked:
		select {
		case <-s.places:
		default: // it came at the end
		}
		s.conns.Done()
	}
}

// handler is the way of every request: limits, checks, the route, its errors.
func (s *server) handler(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := withLimit(r.Context(), rt.limit)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, bodyBytes)
		out := &response{ResponseWriter: w}
		err := s.answer(rt, out, r)
		cut := err != nil && out.status != 0 // too late for a problem document
		if cut {
			out.cause = err
		} else if err != nil {
			sendProblem(out, err)
		}
		_ = out.extend() // for what net/http sends at the end
		if s.served != nil {
			peer, _ := PeerOf(ctx)
			s.served(Access{peer, r.Method, r.URL.EscapedPath(), out.status, out.cause})
		}
		if cut {
			panic(http.ErrAbortHandler) // the client must not take it for whole
		}
	}
}

// answer contains the panics of one request.
func (s *server) answer(rt route, w *response, r *http.Request) (err error) {
	defer fault.Recover(&err)
	if err := check(r); err != nil {
		return err
	}
	return rt.answer(s, w, r)
}

// response bounds each write, and remembers what became of the request.
type response struct {
	http.ResponseWriter
	status int   // of HTTP; 0 until something is written
	cause  error // why the request failed
}

// WriteHeader sends the status.
func (w *response) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write gives the client writeLimit to take p.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if err := w.extend(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// extend gives the client writeLimit from now.
func (w *response) extend() error {
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writeLimit))
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
