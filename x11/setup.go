package x11

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A setup packet has a head of 12 bytes: the byte order, a byte unused, the
// protocol's major and minor version, the lengths of the authorization's name
// and data, and two bytes unused. Name and data follow, each padded to a
// multiple of 4 (X Window System Protocol, chapter 8, "Connection Setup").
const (
	setupHead  = 12
	setupLimit = 256 // bytes of a name or of data, far above any in use
	bigEndian  = 'B'
	littleEnd  = 'l'
)

var (
	errNoSetup   = errors.New("the setup packet names no byte order")
	errLongSetup = fmt.Errorf("the setup packet's name or cookie is over %d bytes", setupLimit)
)

// setup is the first packet of a client.
type setup struct {
	head [setupHead]byte
	auth Auth
}

// readSetup reads one packet from r and not a byte more. With an error the
// head may be whole nevertheless, so that the client can be told.
func readSetup(r io.Reader) (setup, error) {
	var s setup
	if _, err := io.ReadFull(r, s.head[:]); err != nil {
		return setup{}, err
	}
	order := s.order()
	if order == nil {
		return s, errNoSetup
	}
	n, d := int(order.Uint16(s.head[6:])), int(order.Uint16(s.head[8:]))
	if n > setupLimit || d > setupLimit {
		return s, errLongSetup
	}
	rest := make([]byte, pad4(n)+pad4(d))
	if _, err := io.ReadFull(r, rest); err != nil {
		return s, unexpected(err)
	}
	s.auth = Auth{Name: string(rest[:n]), Data: cookieOf(rest[pad4(n) : pad4(n)+d])}
	return s, nil
}

// unexpected is err, but a stream that ends in the middle is no good end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// order is the client's byte order, or nil where it named none.
func (s setup) order() binary.ByteOrder {
	switch s.head[0] {
	case bigEndian:
		return binary.BigEndian
	case littleEnd:
		return binary.LittleEndian
	}
	return nil
}

// packet is s as bytes, showing auth in place of what the client showed.
func (s setup) packet(auth Auth) []byte {
	data := auth.Data.bytes()
	head := s.head
	s.order().PutUint16(head[6:], uint16(len(auth.Name)))
	s.order().PutUint16(head[8:], uint16(len(data)))
	p := bytes.NewBuffer(head[:])
	p.WriteString(padded(auth.Name))
	p.WriteString(padded(data))
	return p.Bytes()
}

// newSetup is the packet of our own client, little-endian, protocol 11.0.
func newSetup() setup {
	return setup{head: [setupHead]byte{0: littleEnd, 2: 11}}
}

// pad4 is n rounded up to a multiple of 4.
func pad4(n int) int { return (n + 3) &^ 3 }

// padded is s filled up to a multiple of 4 bytes.
func padded(s string) string { return s + "\x00\x00\x00"[:pad4(len(s))-len(s)] }
