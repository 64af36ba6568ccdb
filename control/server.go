package control

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"path"
	"sync"
	"time"

	"tunneld/fault"
)

// The limits of the server. No client, however slow, holds anything for longer.
const (
	readLimit   = 5 * time.Second  // to send the whole request
	writeLimit  = 10 * time.Second // to take what is written at once
	closeLimit  = time.Second      // for answers under way when the server ends
	headerBytes = 16 << 10
	bodyBytes   = 1 << 20
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
	admits func(Peer) bool
	mux    *http.ServeMux

	places    *places
	followers chan struct{} // each holds a place
	upgraded  chan struct{} // each WebSocket holds a place
}

func newServer(d Daemon, admits func(Peer) bool) *server {
	s := &server{
		daemon: d, admits: admits, places: newPlaces(),
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
	s := newServer(d, admitsOf(l))
	s.served = o.Served
	h := &http.Server{
		Handler:        s,
		ReadTimeout:    readLimit,
		WriteTimeout:   writeLimit, // each write has it anew, see response
		MaxHeaderBytes: headerBytes,
		BaseContext:    func(net.Listener) context.Context { return serving },
		ConnContext:    withPeer,
		ConnState:      s.places.changed,
		ErrorLog:       log.New(io.Discard, "", 0), // panics are in Access

		DisableGeneralOptionsHandler: true, // what it answers passes by the checks
	}
	var closing sync.WaitGroup
	closing.Go(func() { closeAfter(serving, h) })
	err := h.Serve(l)
	end()
	closing.Wait()
	s.places.open.Wait()
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

// ServeHTTP implements http.Handler. A path in a spelling that the mux would lead
// elsewhere is not there: a redirect would pass by the checks.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if asked := r.URL.EscapedPath(); path.Clean("/"+asked) != asked {
		s.handler(route{"", quickLimit, (*server).nowhere})(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// handler is the way of every request: limits, checks, the route, its errors.
func (s *server) handler(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := withLimit(r.Context(), rt.limit)
		defer cancel()
		r = r.WithContext(ctx)
		w.Header().Set("Connection", "close") // one that is kept would hold a place for nothing
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
	if err := s.check(r); err != nil {
		return err
	}
	leave, err := s.places.enter(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	w.leave = leave
	if err := readBody(w, r); err != nil {
		return err
	}
	return rt.answer(s, w, r)
}

// response bounds each write, and remembers what became of the request.
type response struct {
	http.ResponseWriter
	status int    // of HTTP; 0 until something is written
	cause  error  // why the request failed
	leave  func() // gives the request's place back
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
