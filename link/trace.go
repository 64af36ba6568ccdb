package link

import (
	"context"
	"sync"
	"time"

	"tunneld/fault"
)

// Trial is what a trace tries on the connection, once it is authenticated.
type Trial struct {
	Listen bool   // ask the server to listen on Host, on a port of its choice or, where it refuses that, on Port, and cancel that at once
	Host   string // else open a stream to Host and Port as the server sees them, and close it at once
	Port   int
	Path   string // the same to a socket there, in place of Host and Port
}

// destination is where a trial that does not listen opens a stream to.
func (t Trial) destination() destination {
	if t.Path != "" {
		return socketDestination(t.Path)
	}
	return tcpDestination(t.Host, t.Port, nil)
}

// trialTime bounds one trial, trialsAtOnce how many are under way.
const (
	trialTime    = 20 * time.Second
	trialsAtOnce = 8
)

// Trace connects once, makes the trials and closes the connection; the steps
// are told as events, as in Serve, and last the step that failed. The link must
// not be served. Its error is the connection's; failures has one error for each
// trial, nil for one that succeeded.
func (l *Link) Trace(ctx context.Context, trials ...Trial) (failures []error, err error) {
	defer fault.Recover(&err)
	c, err := l.connect(ctx, l.Target())
	if err != nil {
		l.report(Event{Step: stepOf(err), Message: "failed", Err: err})
		return nil, err
	}
	defer c.end(ErrDown)
	c.start()
	failures = make([]error, len(trials))
	places := make(chan struct{}, trialsAtOnce)
	var all sync.WaitGroup
	for i, t := range trials {
		places <- struct{}{}
		all.Go(func() { defer leave(places); failures[i] = c.try(ctx, t) })
	}
	all.Wait()
	return failures, nil
}

func leave(places <-chan struct{}) { <-places }

func (c *conn) try(ctx context.Context, t Trial) (err error) {
	defer fault.Recover(&err)
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	message, address := "stream opened", t.destination().addr.String()
	if t.Listen {
		message = "server listens"
		address, err = c.tryListen(ctx, t)
	} else {
		err = c.tryDial(ctx, t)
	}
	if err != nil {
		c.link.report(Event{Step: fault.Forward, Message: "trial failed", Detail: address, Err: err})
		return err
	}
	c.tell(fault.Forward, message, address)
	return nil
}

func (c *conn) tryDial(ctx context.Context, t Trial) error {
	s, err := c.dial(ctx, t.destination())
	if err == nil {
		s.Close()
	}
	return err
}

// tryListen returns the address that the server granted. Another link may have
// the port that is wanted, so it comes second: permitlisten may allow no other.
func (c *conn) tryListen(ctx context.Context, t Trial) (string, error) {
	addr := forwardAddr{Host: t.Host}
	ln, err := c.listen(ctx, addr)
	if t.Port != 0 && fault.CodeOf(err) == fault.RemoteForwardDenied {
		addr.Port = uint32(t.Port)
		ln, err = c.listen(ctx, addr)
	}
	if err != nil {
		return addr.String(), err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
