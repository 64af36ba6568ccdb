package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// dialError names the reason why there is no transport.
func dialError(ctx context.Context, t Target, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errSlow) {
		return cause
	}
	if fault.As(err) != nil {
		return err
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return fault.New(fault.DNSFailed, fault.Resolve, "%s: %w", t.Host, err)
	case isRefused(err):
		return fault.New(fault.ConnectRefused, fault.Connect, "%w", err)
	case isUnreachable(err):
		return fault.New(fault.Unreachable, fault.Connect, "%w", err)
	case ctx.Err() != nil:
		return fault.New(fault.ConnectTimeout, fault.Connect, "%s: no answer within %s", t.address(), t.connectTimeout())
	case errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.ConnectTimeout, fault.Connect, "%w", err)
	default:
		return fault.New(fault.Unreachable, fault.Connect, "%w", err)
	}
}

// explain names the reason why the handshake failed. x/crypto's errors are
// mostly untyped, so what the wire saw and how far it came decide.
func (h *hop) explain(ctx context.Context, err error) error {
	h.mu.Lock()
	step, refused, tried, verified := h.step, h.refused, h.triedSoFar(), h.key != nil
	h.mu.Unlock()
	greeting, isSSH := h.wire.greeting()
	if isSSH && step == fault.Version {
		step = fault.Kex
	}
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case refused != nil:
		return refused
	case context.Cause(ctx) != nil && !errors.Is(context.Cause(ctx), errSlow):
		return context.Cause(ctx)
	case ctx.Err() != nil && len(greeting) > 0 && !isSSH:
		return notSSH(h.unverified(firstLine(greeting)))
	case !verified && h.target.tellsProxyPassword(err.Error()):
		return fault.New(fault.ProxyFailed, fault.Connect, "%s", toldPassword)
	case ctx.Err() != nil:
		return fault.New(fault.HandshakeTimeout, step, "no answer within %s%s", h.target.connectTimeout(), tried)
	case fault.As(err) != nil:
		return fault.As(err)
	case fault.As(h.wire.err()) != nil: // a proxy's last words
		return fault.As(h.wire.err())
	case errors.As(err, &negotiation):
		return noCommonAlgorithm(negotiation)
	case !isSSH && len(greeting) > 0:
		return notSSH(h.unverified(firstLine(greeting)))
	case strings.Contains(err.Error(), "disconnect, reason 2"):
		return fault.New(fault.TooManyAuthFailures, step, "%s%s", fault.Clean(err.Error()), tried)
	case isClosed(err):
		return fault.New(fault.ClosedByServer, step, "the server closed the connection%s", tried)
	case h.wire.err() != nil && errors.Is(err, h.wire.err()):
		lost := fault.As(lostError(err))
		return fault.New(lost.Code, step, "%s%s", lost.Message, tried)
	case step == fault.Auth:
		return fault.New(fault.AuthRejected, step, "%s%s", fault.Clean(err.Error()), tried)
	default:
		return fault.New(fault.ClosedByServer, step, "%s", fault.Clean(err.Error()))
	}
}

// triedSoFar lists the attempts at authentication, and what the server said to
// them, for one that broke off. The caller holds h.mu.
func (h *hop) triedSoFar() string {
	if h.login == nil {
		return ""
	}
	var b strings.Builder
	for _, a := range h.login.Attempts() {
		b.WriteString("; tried " + a.String())
	}
	if h.said != "" {
		b.WriteString("; the server said: " + h.said)
	}
	return b.String()
}

// notSSH tells what answered in the place of an SSH server. sshd itself turns
// connections away with a line of plain text before its version.
func notSSH(text string) error {
	if strings.HasPrefix(text, "Not allowed at this time") || strings.HasPrefix(text, "Exceeded MaxStartups") {
		return fault.New(fault.ServerBusy, fault.Version, "the server says: %s", text)
	}
	return fault.New(fault.NotSSH, fault.Version, "the server sent %q in place of an SSH version", text)
}

func firstLine(greeting []byte) string {
	line, _, _ := bytes.Cut(greeting, []byte("\n"))
	return fault.Clean(string(line))
}

// noCommonAlgorithm shows both lists, and the line that would mend it.
func noCommonAlgorithm(e *ssh.AlgorithmNegotiationError) error {
	offered := make([]string, len(e.RequestedAlgorithms))
	for i, a := range e.RequestedAlgorithms {
		offered[i] = fault.Clean(a)
	}
	f := fault.New(fault.NoCommonAlgorithm, fault.Kex, "no common %s: the server offers %s; we offer %s",
		e.What, strings.Join(offered, ", "), strings.Join(e.SupportedAlgorithms, ", "))
	key := "kex"
	for word, k := range map[string]string{"cipher": "ciphers", "MAC": "macs", "host key": "host_key_algorithms"} {
		if strings.Contains(e.What, word) {
			key = k
		}
	}
	for _, a := range offered {
		if slices.Contains(KnownAlgorithms()[key], a) {
			return f.WithHint("%s is outdated; if the server has nothing better, add to the profile: [link] %s = [\"+%s\"]", a, key, a)
		}
	}
	return f.WithHint("the server has nothing that tunneld knows: update the server")
}

// lostError names the reason why a live connection ended.
func lostError(err error) error {
	switch {
	case fault.As(err) != nil:
		return err
	case err == nil, errors.Is(err, io.EOF):
		return fault.New(fault.ClosedByServer, "", "the server closed the connection")
	case isUnreachable(err):
		return fault.New(fault.Unreachable, "", "%w", err)
	case isTimedOut(err):
		return fault.New(fault.KeepaliveLost, "", "%w", err)
	default:
		return fault.New(fault.ClosedByServer, "", "%s", fault.Clean(err.Error()))
	}
}

// isClosed reports that the other side ended the transport.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || isReset(err)
}
