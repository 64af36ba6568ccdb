package link

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/proxy"

	"tunneld/fault"
)

// headerLimit bounds an HTTP proxy's answer.
const headerLimit = 16 << 10

// throughProxy dials the server through the target's proxy. What fails there has
// the code proxy_failed, and tells the proxy's words but not its password.
func (h *hop) throughProxy(ctx context.Context, network string) (net.Conn, error) {
	t := h.target
	if line, ok := strings.CutPrefix(t.Proxy, "command:"); ok {
		c, err := startCommand(line, t)
		if err != nil {
			return nil, fault.New(fault.ProxyFailed, fault.Connect, "%w", err)
		}
		return c, nil
	}
	u, err := url.Parse(t.Proxy)
	if err != nil || u.Port() == "" { // err repeats the URL, with its password
		return nil, fault.New(fault.BadProfile, fault.Connect, "server.proxy: want socks5://host:port, http://host:port or command:ARGV")
	}
	dial := map[string]func(context.Context, string, *url.URL) (net.Conn, error){"socks5": h.throughSOCKS, "http": h.throughHTTP}[u.Scheme]
	if dial == nil {
		return nil, fault.New(fault.BadProfile, fault.Connect, "server.proxy: unknown kind %q", u.Scheme)
	}
	c, err := dial(ctx, network, u)
	if err != nil {
		return nil, proxyError(ctx, t, u, err)
	}
	return c, nil
}

func proxyError(ctx context.Context, t Target, u *url.URL, err error) error {
	name := u.Scheme + "://" + u.Host
	if ctx.Err() != nil {
		return fault.New(fault.ProxyFailed, fault.Connect, "%s: no answer within %s", name, t.connectTimeout())
	}
	if t.tellsProxyPassword(err.Error()) {
		return fault.New(fault.ProxyFailed, fault.Connect, "%s: %s", name, toldPassword)
	}
	return fault.New(fault.ProxyFailed, fault.Connect, "%s: %s", name, fault.Clean(err.Error()))
}

// toldPassword stands in for a text that has the proxy's password.
const toldPassword = "it answered with the password that it was given"

// tellsProxyPassword reports whether the text, which a proxy may have written,
// has its password in one of the forms in which that is handed to it or written
// down.
func (t Target) tellsProxyPassword(text string) bool {
	u, err := url.Parse(t.Proxy)
	if err != nil || u.User == nil {
		return false
	}
	password, _ := u.User.Password()
	if password == "" {
		return false
	}
	pair := []byte(u.User.Username() + ":" + password)
	_, written, _ := strings.Cut(u.User.String(), ":")
	quoted := strconv.Quote(password)
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{
		password, written, url.QueryEscape(password), url.PathEscape(password), quoted[1 : len(quoted)-1], fault.Clean(password),
		base64.RawStdEncoding.EncodeToString(pair), base64.RawURLEncoding.EncodeToString(pair), base64.RawStdEncoding.EncodeToString([]byte(password)),
	}, func(form string) bool { return form != "" && strings.Contains(text, strings.ToLower(form)) })
}

// throughSOCKS is RFC 1928, with the user and password of RFC 1929. The proxy
// resolves the server's name.
func (h *hop) throughSOCKS(ctx context.Context, network string, u *url.URL) (net.Conn, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	d, err := proxy.SOCKS5(network, u.Host, auth, proxyDialer{h})
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, "tcp", h.target.address())
}

// proxyDialer reaches the proxy itself, for package proxy.
type proxyDialer struct{ hop *hop }

// Dial implements proxy.Dialer.
func (d proxyDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (d proxyDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.hop.dialTCP(ctx, network, address)
}

// throughHTTP is the CONNECT method (RFC 9110 section 9.3.6).
func (h *hop) throughHTTP(ctx context.Context, network string, u *url.URL) (net.Conn, error) {
	c, err := h.dialTCP(ctx, network, u.Host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := askConnect(c, h.target.address(), u.User); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func askConnect(c io.ReadWriter, server string, user *url.Userinfo) error {
	request := fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n", server, server)
	if user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return err
	}
	header, err := readHeader(c)
	if err != nil {
		return err
	}
	return connectAnswer(header)
}

// httpPrefix begins every answer of HTTP/1.1 and HTTP/1.0.
const httpPrefix = "HTTP/1."

// readHeader reads up to the empty line and not a byte more: what follows is
// the server's. A bare LF ends a line too (RFC 9112 section 2.2).
func readHeader(r io.Reader) ([]byte, error) {
	var header []byte
	for b := make([]byte, 1); len(header) < headerLimit; {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("its answer broke off: %w", err)
		}
		header = append(header, b[0])
		if b[0] == '\n' && !bytes.HasPrefix(header, []byte(httpPrefix)) {
			return header, nil // no HTTP: more might never come
		}
		if bytes.HasSuffix(header, []byte("\n\r\n")) || bytes.HasSuffix(header, []byte("\n\n")) {
			return header, nil
		}
	}
	return nil, errors.New("its answer has no end")
}

// connectAnswer returns nil for a status line (RFC 9112 section 4) that says 2xx.
func connectAnswer(header []byte) error {
	line, _, _ := strings.Cut(string(header), "\n")
	version, status, _ := strings.Cut(strings.TrimSpace(line), " ")
	digits, _, _ := strings.Cut(status, " ")
	code, err := strconv.Atoi(digits)
	switch {
	case err != nil || len(digits) != 3 || !strings.HasPrefix(version, httpPrefix):
		return fmt.Errorf("it is no HTTP proxy: it says %q", fault.Clean(line))
	case code/100 != 2:
		return fmt.Errorf("it says %s", status)
	}
	return nil
}
