package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// openingLimit is how much of a server's opening is looked at. RFC 4253 section
// 6.1 demands packets of 35000 bytes and no more.
const openingLimit = 64 << 10

// opening is what a server sends first, in clear.
type opening struct {
	version string      // its identification string (RFC 4253 section 4.2), or ""
	offer   *Algorithms // of its first KEXINIT (RFC 4253 section 7.1), or nil
}

// kexInit is SSH_MSG_KEXINIT (RFC 4253 section 7.1). In and out are the server's
// to us and ours to the server.
type kexInit struct {
	Cookie                        [16]byte `sshtype:"20"`
	KeyExchanges                  []string
	HostKeys                      []string
	CiphersOut, CiphersIn         []string
	MACsOut, MACsIn               []string
	CompressionOut, CompressionIn []string
	LanguagesOut, LanguagesIn     []string
	FirstFollows                  bool
	Reserved                      uint32
}

var errMalformed = errors.New("malformed key exchange")

// parseOpening reads as much of the opening as data has; more reports that the
// rest may still come.
func parseOpening(data []byte) (o opening, more bool, err error) {
	for {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		if !found {
			return o, true, nil
		}
		data = rest
		if bytes.HasPrefix(line, []byte("SSH-")) {
			o.version = strings.TrimSuffix(string(line), "\r")
			break
		}
	}
	payload, more, err := parsePacket(data)
	if err != nil || more {
		return o, more, err
	}
	var k kexInit
	if err := ssh.Unmarshal(payload, &k); err != nil {
		return o, false, errMalformed
	}
	o.offer = &Algorithms{KeyExchanges: k.KeyExchanges, HostKeys: k.HostKeys, Ciphers: k.CiphersIn, MACs: k.MACsIn}
	return o, false, nil
}

// parsePacket returns the payload of a packet in clear (RFC 4253 section 6).
func parsePacket(data []byte) (payload []byte, more bool, err error) {
	if len(data) < 5 {
		return nil, true, nil
	}
	length, padding := binary.BigEndian.Uint32(data), uint32(data[4])
	switch {
	case length > openingLimit || length < padding+2:
		return nil, false, errMalformed
	case uint32(len(data)-4) < length:
		return nil, true, nil
	}
	return data[5 : 4+length-padding], false, nil
}

// agreed returns the algorithms that a client with our lists and a server with
// offer settle on: the first of ours that the server has (RFC 4253 section 7.1).
// Words that are missing have nothing in common, or, for the MAC, need none.
func agreed(ours, offer Algorithms) (words []string) {
	pairs := [][2][]string{
		{ours.KeyExchanges, offer.KeyExchanges}, {ours.HostKeys, offer.HostKeys},
		{ours.Ciphers, offer.Ciphers}, {ours.MACs, offer.MACs},
	}
	for _, p := range pairs {
		i := slices.IndexFunc(p[0], func(name string) bool { return slices.Contains(p[1], name) })
		if i < 0 {
			continue
		}
		words = append(words, p[0][i])
		if isAEAD(p[0][i]) {
			break
		}
	}
	return words
}

// isAEAD reports that a cipher authenticates by itself.
func isAEAD(cipher string) bool {
	return strings.HasSuffix(cipher, "-gcm@openssh.com") || cipher == ssh.CipherChaCha20Poly1305
}

// hear tells of the server's opening, each part once.
func (h *hop) hear(head []byte) (more bool) {
	o, more, _ := parseOpening(head)
	if o.version != "" && !h.heardVersion {
		h.heardVersion = true
		h.tell(fault.Version, "versions exchanged", "server "+h.unverified(fault.Clean(o.version))+", client "+clientVersion)
	}
	if o.offer == nil {
		return more
	}
	ours := h.offer
	ours.HostKeys = h.known.Algorithms(ours.HostKeys)
	for _, l := range []struct {
		name         string
		theirs, ours []string
	}{
		{"kex", o.offer.KeyExchanges, ours.KeyExchanges}, {"host_key_algorithms", o.offer.HostKeys, ours.HostKeys},
		{"ciphers", o.offer.Ciphers, ours.Ciphers}, {"macs", o.offer.MACs, ours.MACs},
	} {
		h.tell(fault.Kex, "server offers", l.name+" "+h.unverified(cleanList(l.theirs)))
		h.tell(fault.Kex, "we offer", l.name+" "+strings.Join(l.ours, ","))
	}
	h.tell(fault.Kex, "algorithms agreed", strings.Join(agreed(ours, *o.offer), " "))
	return false
}

// unverified returns a text that came before the host key: a proxy may have
// written it.
func (h *hop) unverified(text string) string {
	if h.target.tellsProxyPassword(text) {
		return toldPassword
	}
	return text
}

// cleanList makes a server's names harmless, each by itself: a long list is
// shown whole.
func cleanList(names []string) string {
	clean := make([]string, len(names))
	for i, n := range names {
		clean[i] = fault.Clean(n)
	}
	return strings.Join(clean, ",")
}
