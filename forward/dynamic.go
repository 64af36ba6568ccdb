package forward

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"time"

	"tunneld/fault"
)

const (
	greetTimeout = 10 * time.Second // for a client's request, and again for the answer
	partTimeout  = time.Second      // for a refused client to take its answer
	greetLimit   = 64 << 10         // bytes of a request, without its body
	nameLimit    = 255              // bytes of a host's name (RFC 1928 section 5)
)

// What a client can do wrong.
var (
	errLeft    = errors.New("the client left")
	errSlow    = errors.New("the client took too long")
	errUnknown = errors.New("neither SOCKS nor HTTP")
	errCommand = errors.New("a SOCKS command other than CONNECT")
	errAddress = errors.New("a SOCKS address of unknown type")
	errName    = errors.New("the host is not a name or an address")
	errPort    = errors.New("the port is not a number from 1 to 65535")
)

// greetHint is for whoever set up a client that asks for something else.
const greetHint = "the client must speak SOCKS 4, 4a or 5 without a password, or HTTP as to a proxy, and ask for a connection"

// request is what a client of a dynamic forward asks for.
type request struct {
	host   string // a name, or an address without brackets
	port   int
	stream io.Reader              // all that goes to the target; nil: what the client sends from here on
	answer func(err error) []byte // the reply in the client's protocol, nil meaning yes; nil: there is none
}

// negotiate hears where client wants to go, dials there, and answers. What it
// returns as client begins behind the request.
func (f *Forward) negotiate(ctx context.Context, client net.Conn) (_, dialled net.Conn, err error) {
	r, err := greet(ctx, client)
	if err == nil {
		dialled, err = coded(f.DialTo(ctx, r.host, r.port, client.RemoteAddr()))
	}
	if r.answer == nil {
		return client, nil, err
	}
	switch sent := tell(ctx, client, r.answer(err)); {
	case err != nil:
		part(ctx, client)
		return client, nil, err
	case sent != nil:
		shut(dialled)
		return client, nil, errLeft
	case r.stream != nil:
		return &greeted{client, r.stream}, dialled, nil
	}
	return client, dialled, nil
}

// greet reads client's request. Where it has an error and an answer, the
// client is still to be told.
func greet(ctx context.Context, client net.Conn) (r request, err error) {
	err = within(ctx, client, greetTimeout, func() (err error) {
		r, err = readRequest(client)
		return err
	})
	if err == nil || errors.Is(err, errLeft) {
		return r, err
	}
	return r, fault.New(fault.TargetDenied, fault.Forward, "the client's request: %w", err).WithHint(greetHint)
}

// readRequest tells the protocols apart by their first byte: SOCKS begins with
// its version, HTTP with the letters of a method.
func readRequest(client io.ReadWriter) (r request, err error) {
	limit := &io.LimitedReader{R: client, N: greetLimit}
	in := bufio.NewReaderSize(limit, steps[0].size) // a larger one would hand a body on in small pieces
	first, err := in.Peek(1)
	if err != nil {
		return r, errLeft // without a word: browsers connect ahead of their needs
	}
	switch c := first[0] | 0x20; {
	case first[0] == socks4:
		r, err = readSOCKS4(in)
	case first[0] == socks5:
		r, err = greetSOCKS5(in, client)
	case 'a' <= c && c <= 'z':
		r, err = readHTTP(in)
	default:
		err = errUnknown
	}
	if n := in.Buffered(); err == nil && r.stream == nil && n > 0 {
		ahead, _ := in.Peek(n)
		r.stream = io.MultiReader(bytes.NewReader(ahead), client)
	}
	limit.N = math.MaxInt64 // for the body of an HTTP request
	return r, err
}

// checkTarget refuses what is no host or no port, in the words of a peer.
func checkTarget(host string, port int) error {
	switch {
	case host == "" || len(host) > nameLimit || host != fault.Clean(host):
		return errName
	case port < 1 || port > math.MaxUint16:
		return errPort
	}
	return nil
}

func tell(ctx context.Context, client net.Conn, answer []byte) error {
	if len(answer) == 0 {
		return nil
	}
	return within(ctx, client, greetTimeout, func() error {
		_, err := client.Write(answer)
		return err
	})
}

// part closes client in such a way that it gets the answer: TCP would drop
// that if bytes of the client were still unread.
func part(ctx context.Context, client net.Conn) {
	closeWrite(client)
	_ = within(ctx, client, partTimeout, func() error {
		_, err := io.Copy(io.Discard, client)
		return err
	})
	shut(client)
}

// within runs talk, which reads or writes client. After limit, or at the end of
// ctx, client is reset: SSH channels have no deadlines.
func within(ctx context.Context, client net.Conn, limit time.Duration, talk func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	cut := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(cut)
		reset(client)
	})
	err := talk()
	if !unwatch() {
		<-cut
		return context.Cause(ctx)
	}
	return err
}

// greeted is a client whose stream does not begin, or end, where the
// connection does.
type greeted struct {
	net.Conn
	stream io.Reader
}

func (g *greeted) Read(p []byte) (int, error) { return g.stream.Read(p) }

// CloseWrite half-closes, where the connection can.
func (g *greeted) CloseWrite() error {
	closeWrite(g.Conn)
	return nil
}

// SetLinger prepares a reset, where the connection can.
func (g *greeted) SetLinger(sec int) error {
	if l, ok := g.Conn.(lingerer); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}
