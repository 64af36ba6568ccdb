package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

const (
	packet     = 32 << 10  // the most that every server takes at once
	mostPacket = 255 << 10 // the most that we ask for; pkg/sftp takes no message of more than 256 KiB
	window     = 2 << 20   // under way at once: as much as an SSH channel's window holds
)

// Types of messages: draft-ietf-secsh-filexfer-02, section 3.
const (
	typeInit          = 1
	typeVersion       = 2
	typeExtended      = 200
	typeExtendedReply = 201
)

// limitsExtension tells how much a server takes at once: OpenSSH's PROTOCOL page,
// section 4.8. Its next version would be another.
const limitsExtension = "limits@openssh.com"

// hello is our first message, as pkg/sftp's too: version 3.
var hello = []byte{0, 0, 0, 5, typeInit, 0, 0, 0, 3}

// askLimits exchanges versions, and asks a server that knows them for its limits:
// the size of packets to use, and the server's version, for pkg/sftp to read again.
func askLimits(line io.ReadWriter) (size int, version []byte, err error) {
	if _, err := line.Write(hello); err != nil {
		return 0, nil, err
	}
	version, err = readMessage(line)
	if err != nil || !offers(version, limitsExtension, "1") {
		return packet, version, err
	}
	ask := binary.BigEndian.AppendUint32(nil, uint32(1+4+4+len(limitsExtension)))
	ask = append(ask, typeExtended, 0, 0, 0, 0)
	ask = binary.BigEndian.AppendUint32(ask, uint32(len(limitsExtension)))
	if _, err := line.Write(append(ask, limitsExtension...)); err != nil {
		return 0, nil, err
	}
	answer, err := readMessage(line)
	return packetSize(answer), version, err
}

// packetSize is the most that a server, by its answer, both reads and writes at
// once; 0 there means that it does not say.
func packetSize(answer []byte) int {
	var a struct {
		Length                        uint32
		Type                          byte
		ID                            uint32
		Message, Read, Write, Handles uint64
	}
	if _, err := binary.Decode(answer, binary.BigEndian, &a); err != nil || a.Type != typeExtendedReply {
		return packet
	}
	return int(max(packet, min(a.Read, a.Write, mostPacket)))
}

// offers reports whether a server's version has an extension.
func offers(version []byte, name, value string) bool {
	const head = 4 + 1 + 4 // length, type, version
	if len(version) < head || version[4] != typeVersion {
		return false
	}
	for rest := version[head:]; len(rest) > 0; {
		var n, v []byte
		var ok bool
		if n, rest, ok = cutString(rest); !ok {
			return false
		}
		if v, rest, ok = cutString(rest); !ok {
			return false
		}
		if string(n) == name {
			return string(v) == value
		}
	}
	return false
}

// cutString takes a string of SSH (RFC 4251 section 5) from the beginning of p.
func cutString(p []byte) (s, rest []byte, ok bool) {
	if len(p) < 4 {
		return nil, nil, false
	}
	n, rest := binary.BigEndian.Uint32(p), p[4:]
	if uint64(n) > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// mostGreeting is how long a server's version, with its extensions, may be.
const mostGreeting = 64 << 10

// readMessage reads one message, with its length.
func readMessage(from io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > mostGreeting {
		return nil, errors.New("a message of an impossible length")
	}
	message := make([]byte, 4+n)
	copy(message, head)
	_, err := io.ReadFull(from, message[4:])
	return message, err
}

// greeted is a line on which versions were exchanged: it has the server's for whoever
// asks again, and keeps that question back.
type greeted struct {
	*line
	version bytes.Reader
	asked   int // bytes of hello that were kept back
}

func (g *greeted) Read(p []byte) (int, error) {
	if g.version.Len() > 0 {
		return g.version.Read(p)
	}
	return g.line.Read(p)
}

func (g *greeted) Write(p []byte) (int, error) {
	again := min(len(p), len(hello)-g.asked)
	g.asked += again
	if again == len(p) {
		return again, nil
	}
	n, err := g.line.Write(p[again:])
	return again + n, err
}
