package control

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// webSocket is a WebSocket whose messages leave in one call of the system each. Its
// library writes in pieces: a client's are of 4 KiB, since they are masked
// (RFC 6455 section 5.3), and each would wake the other side.
type webSocket struct {
	*websocket.Conn
	cork *cork
}

// Write sends a message. The end of ctx breaks the connection.
func (s *webSocket) Write(ctx context.Context, kind websocket.MessageType, p []byte) error {
	stop := context.AfterFunc(ctx, func() { s.cork.Close() })
	defer stop()
	s.cork.hold()
	err := s.Conn.Write(ctx, kind, p)
	if end := s.cork.release(); err == nil {
		err = end
	}
	return err
}

// cork is a connection whose writes are kept while somebody holds it, and then
// leave together. Close releases a write that waits.
type cork struct {
	io.ReadWriteCloser

	mu   sync.Mutex // guards what follows
	held int        // by so many
	kept []byte
}

// Write implements io.Writer. While the cork is held, it takes all.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == 0 {
		return c.ReadWriteCloser.Write(p)
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

func (c *cork) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held++
}

// release lets go of what was kept, unless somebody else holds it.
func (c *cork) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held--
	if c.held > 0 || len(c.kept) == 0 {
		return nil
	}
	_, err := c.ReadWriteCloser.Write(c.kept)
	c.kept = c.kept[:0]
	return err
}

// unasked is a pong of a server that nobody asked for, which a client passes over
// (RFC 6455 section 5.5.3). A ping would have it answer, and it may be busy
// writing.
var unasked = []byte{0x8a, 0}

// sign sends something without a meaning, whose error tells that nobody is there
// any more. While something else is written, that tells.
func (c *cork) sign() error {
	if !c.mu.TryLock() {
		return nil
	}
	defer c.mu.Unlock()
	if c.held > 0 {
		return nil
	}
	_, err := c.ReadWriteCloser.Write(unasked)
	return err
}

// corker puts a cork on the connection that is taken from it.
type corker struct {
	http.ResponseWriter
	cork *cork
}

// Hijack implements http.Hijacker.
func (c *corker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.cork = &cork{ReadWriteCloser: conn}
	buffers.Writer.Reset(c.cork)
	return conn, buffers, nil
}
