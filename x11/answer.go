package x11

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"

	"tunneld/fault"
)

// An answer to a setup packet has a head of 8 bytes: the verdict, the length of
// the reason where it is no, the protocol's major and minor version, and the
// length of what follows in units of 4 (X Window System Protocol, chapter 8).
const (
	answerHead     = 8
	verdictFailed  = 0
	verdictSuccess = 1
	reasonLimit    = 255 // bytes of a reason, whose length is a byte
)

// answer is the head of a display's answer. What follows was not read.
type answer [answerHead]byte

// refusal is the answer that makes s's client print reason and end. It is nil
// where the client named no byte order.
func (s setup) refusal(reason string) []byte {
	order := s.order()
	if order == nil {
		return nil
	}
	// Clients print it as it is, so the line must end.
	reason = reason[:min(len(reason), reasonLimit-1)] + "\n"
	body := padded(reason)
	var a answer
	a[0], a[1] = verdictFailed, byte(len(reason))
	order.PutUint16(a[2:], 11)
	order.PutUint16(a[6:], uint16(len(body)/4))
	return append(a[:], body...)
}

// ask shows the display at conn the packet s with auth, and reads the head of
// its answer. A refusal is an error that says why.
func ask(ctx context.Context, d Display, conn net.Conn, s setup, auth Auth) (answer, error) {
	release := bound(ctx, conn)
	defer release()
	a, err := exchange(conn, s, auth)
	switch {
	case ctx.Err() != nil:
		return answer{}, displayError(d, "%w", context.Cause(ctx))
	case err != nil:
		return answer{}, displayError(d, "%w", err)
	}
	return a, nil
}

// exchange is ask without its bounds.
func exchange(conn io.ReadWriter, s setup, auth Auth) (answer, error) {
	var a answer
	if _, err := conn.Write(s.packet(auth)); err != nil {
		return a, err
	}
	if _, err := io.ReadFull(conn, a[:]); err != nil {
		return a, unexpected(err)
	}
	if a[0] == verdictSuccess {
		return a, nil
	}
	return a, a.readRefusal(conn, s.order())
}

// readRefusal reads the reason, of which there may be less than is announced.
func (a answer) readRefusal(conn io.Reader, order binary.ByteOrder) error {
	reason := make([]byte, a.bodySize(order))
	n, _ := io.ReadFull(conn, reason)
	if a[0] == verdictFailed {
		n = min(n, int(a[1]))
	}
	return refusedError(fault.Clean(string(reason[:n])))
}

// bodySize is how many bytes follow the head.
func (a answer) bodySize(order binary.ByteOrder) int { return int(order.Uint16(a[6:])) * 4 }

// refusedError is a display's no, in its own words.
type refusedError string

func (e refusedError) Error() string { return "it refuses: " + string(e) }

// bound ends what is read and written at conn when ctx ends. release, called
// once, takes that back.
func bound(ctx context.Context, conn net.Conn) (release func()) {
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0))
		close(over)
	})
	return func() {
		if !stop() {
			<-over
		}
		conn.SetDeadline(time.Time{})
	}
}
