package daemon

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/profiles"
)

// The limits of the server for scrapes: anybody on this machine may ask it, and
// wherever metrics is written wider, anybody.
const (
	scrapeHeaderLimit = 5 * time.Second  // to send the request
	scrapeWriteLimit  = 10 * time.Second // to take the answer
	scrapeHeaderBytes = 16 << 10
	scrapeConnections = 16 // at once; the next wait until one ends
)

// scraped is the address where metrics are served.
type scraped struct {
	address profiles.Address
	listen  forward.ListenFunc // or nil
	handler http.Handler
	journal *journal
	cancel  context.CancelFunc
	over    chan struct{}
	settled settling
}

// setMetrics serves the metrics at a, and nowhere else; the zero address means
// nowhere.
func (s *Supervisor) setMetrics(a profiles.Address) {
	if s.scraped != nil {
		if s.scraped.address == a {
			return
		}
		s.scraped.cancel()
		<-s.scraped.over
		s.scraped = nil
		s.journal.forget("", "") // the failures of the old address
	}
	if a == (profiles.Address{}) {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.scraped = &scraped{address: a, listen: s.Listen, handler: s.metrics, journal: &s.journal, cancel: cancel, over: make(chan struct{}), settled: newSettling()}
	go s.scraped.keepServing(ctx)
}

// keepServing serves until ctx ends. An address that is taken is tried again.
func (m *scraped) keepServing(ctx context.Context) {
	defer close(m.over)
	for {
		err := guarded(ctx, m.serve)
		if ctx.Err() != nil {
			return
		}
		e := control.Event{Kind: "api", Level: control.Warn, Message: "metrics are not served", Detail: m.address.String()}
		m.journal.report(e, err, false, false)
		select {
		case <-ctx.Done():
			return
		case <-time.After(listenAgain):
		}
	}
}

// serve listens and answers scrapes. It returns when all that it began is over.
func (m *scraped) serve(ctx context.Context) error {
	l, err := forward.ListenTCPBy(ctx, m.listen, m.address.Host, m.address.Port)
	m.settled.settle()
	if err != nil {
		return listenFault(err)
	}
	var conns sync.WaitGroup
	h := &http.Server{
		Handler:           m.routes(l.Addr()),
		ReadHeaderTimeout: scrapeHeaderLimit,
		ReadTimeout:       scrapeHeaderLimit,
		WriteTimeout:      scrapeWriteLimit,
		MaxHeaderBytes:    scrapeHeaderBytes,
		ConnState:         counting(&conns),
		ErrorLog:          log.New(io.Discard, "", 0), // a panic fails its scrape, which Prometheus shows
	}
	h.SetKeepAlivesEnabled(false)                               // one that is kept would hold a place for nothing
	closing := context.AfterFunc(ctx, func() { _ = h.Close() }) // what it fails to close is closed
	defer closing()
	e := control.Event{Kind: "api", Level: control.Info, Message: "metrics are served", Detail: "http://" + m.address.String() + "/metrics"}
	m.journal.report(e, nil, true, false)
	err = h.Serve(netutil.LimitListener(l, scrapeConnections))
	_ = h.Close()
	conns.Wait()
	return err
}

// listenFault is why the address cannot be had, in words about metrics.
func listenFault(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	hint := "give metrics in daemon.toml an address of this machine and a port that this account may have"
	if f.Code == fault.ListenInUse {
		hint = "change metrics in daemon.toml, or end the program that has the port"
	}
	return (&fault.Error{Code: f.Code, Message: f.Message, Err: f}).WithHint("%s; it is tried again every %v", hint, listenAgain)
}

// counting counts the connections, whose end serve waits for.
func counting(conns *sync.WaitGroup) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed:
			conns.Done()
		}
	}
}

// routes is all that is served at bound.
func (m *scraped) routes(bound net.Addr) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler)
	if a, err := netip.ParseAddrPort(bound.String()); err != nil || !a.Addr().IsLoopback() {
		return mux
	}
	return refuseRebinding(mux, m.address.Host)
}

var errWebPage = errors.New("requests to this host are refused: ask for localhost, an IP address, or the name that metrics has")

// refuseRebinding refuses requests to names that a web site may have: at a
// loopback address they come from a browser that was told that its site is on
// this machine (DNS rebinding). Names without a dot, and those that are never
// public (RFC 6761, RFC 6762, and .internal), are nobody's site.
func refuseRebinding(h http.Handler, own string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPrivate(r.Host, own) {
			http.Error(w, errWebPage.Error(), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isPrivate reports whether the host of a request is an address, own, or a name
// that no web site has.
func isPrivate(host, own string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == strings.ToLower(own) {
		return true
	}
	i := strings.LastIndexByte(host, '.')
	switch host[i+1:] {
	case "localhost", "localdomain", "local", "internal":
		return true
	}
	return host != "" && i < 0
}
