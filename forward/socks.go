package forward

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"tunneld/fault"
)

// The server's side of SOCKS is two messages to read and two to write; there
// is no library of it that is kept and leaves dialling to its caller.

// The versions, in the first byte.
const (
	socks4 = 4
	socks5 = 5
)

// connect is the one command that is served; BIND and UDP ASSOCIATE are not.
const connect = 1

// The types of an address (RFC 1928 section 5).
const (
	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4
)

// The methods of authentication (RFC 1928 section 3).
const (
	socksNoAuth   = 0
	socksNoMethod = 0xff
)

// readSOCKS4 reads a request of SOCKS 4, or of 4a: an address of 0.0.0.x says
// that a name follows.
func readSOCKS4(in *bufio.Reader) (r request, err error) {
	r.answer = answerSOCKS4
	var m struct {
		Version, Command byte
		Port             uint16
		IP               [4]byte
	}
	if err := binary.Read(in, binary.BigEndian, &m); err != nil {
		return r, whole(err)
	}
	if _, err := readString(in); err != nil { // the user, whom nobody asked
		return r, err
	}
	r.host, r.port = netip.AddrFrom4(m.IP).String(), int(m.Port)
	if [3]byte(m.IP[:]) == [3]byte{} && m.IP[3] != 0 {
		if r.host, err = readString(in); err != nil {
			return r, err
		}
	}
	if m.Command != connect {
		return r, errCommand
	}
	return r, checkTarget(r.host, r.port)
}

// readString reads up to a zero byte.
func readString(in *bufio.Reader) (string, error) {
	var s []byte
	for {
		switch c, err := in.ReadByte(); {
		case err != nil:
			return "", whole(err)
		case c == 0:
			return string(s), nil
		case len(s) == nameLimit:
			return "", errName
		default:
			s = append(s, c)
		}
	}
}

// answerSOCKS4 is 90 for yes and 91 for no.
func answerSOCKS4(err error) []byte {
	code := byte(90)
	if err != nil {
		code = 91
	}
	return []byte{0, code, 0, 0, 0, 0, 0, 0}
}

// greetSOCKS5 reads a request of SOCKS 5 (RFC 1928). The client offers ways to
// log in first, and out takes the choice.
func greetSOCKS5(in *bufio.Reader, out io.Writer) (request, error) {
	methods, err := readMethods(in)
	if err != nil {
		return request{}, err
	}
	if !slices.Contains(methods, socksNoAuth) {
		refuse := func(error) []byte { return []byte{socks5, socksNoMethod} }
		return request{answer: refuse}, errors.New("the client wants to log in")
	}
	if _, err := out.Write([]byte{socks5, socksNoAuth}); err != nil {
		return request{}, err
	}
	return readSOCKS5(in)
}

func readMethods(in *bufio.Reader) ([]byte, error) {
	var m struct{ Version, Count byte }
	if err := binary.Read(in, binary.BigEndian, &m); err != nil {
		return nil, whole(err)
	}
	methods := make([]byte, m.Count)
	_, err := io.ReadFull(in, methods)
	return methods, whole(err)
}

// readSOCKS5 reads what comes after the methods (RFC 1928 section 4).
func readSOCKS5(in *bufio.Reader) (r request, err error) {
	r.answer = answerSOCKS5
	var m struct{ Version, Command, Reserved, Type byte }
	if err := binary.Read(in, binary.BigEndian, &m); err != nil {
		return r, whole(err)
	}
	if m.Version != socks5 {
		return r, fmt.Errorf("version %d of SOCKS after version 5", m.Version)
	}
	if r.host, err = readHost(in, m.Type); err != nil {
		return r, err
	}
	var port uint16
	if err := binary.Read(in, binary.BigEndian, &port); err != nil {
		return r, whole(err)
	}
	r.port = int(port)
	if m.Command != connect {
		return r, errCommand
	}
	return r, checkTarget(r.host, r.port)
}

func readHost(in *bufio.Reader, kind byte) (string, error) {
	size := map[byte]byte{socksIPv4: 4, socksIPv6: 16}[kind]
	if kind == socksName {
		var err error
		if size, err = in.ReadByte(); err != nil {
			return "", whole(err)
		}
	} else if size == 0 {
		return "", errAddress
	}
	host := make([]byte, size)
	if _, err := io.ReadFull(in, host); err != nil {
		return "", whole(err)
	}
	if ip, ok := netip.AddrFromSlice(host); ok && kind != socksName {
		return ip.Unmap().String(), nil
	}
	return string(host), nil
}

// answerSOCKS5 is a reply (RFC 1928 section 6). Its bound address is empty: no
// client uses it, and the server of a link does not tell.
func answerSOCKS5(err error) []byte {
	return []byte{socks5, replySOCKS5(err), 0, socksIPv4, 0, 0, 0, 0, 0, 0}
}

func replySOCKS5(err error) byte {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errCommand):
		return 7 // command not supported
	case errors.Is(err, errAddress):
		return 8 // address type not supported
	}
	switch fault.CodeOf(err) {
	case fault.TargetDenied:
		return 2 // not allowed by ruleset
	case fault.TargetTimeout:
		return 4 // host unreachable
	case fault.TargetRefused:
		return 5 // connection refused
	case fault.HoldExpired:
		return 6 // TTL expired
	}
	return 1 // general failure
}

// whole is err for a message that cannot end in its middle.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
