package forward

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tunneld/fault"
)

// A plain HTTP request gets a connection of its own, which ends with its
// response: the target is told so with "Connection: close", and tells the
// client. Nothing is added that names this proxy: a tunnel is not seen.

// hopByHop are the fields that concern this connection and not the request
// (RFC 9110 section 7.6.1), and those that only a proxy reads.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate",
	"TE", "Trailer", "Transfer-Encoding", "Upgrade",
}

// errHTTP is a request that no proxy can serve.
type errHTTP struct {
	status int
	text   string
}

func (e *errHTTP) Error() string { return e.text }

// readHTTP reads a request to a proxy: CONNECT HOST:PORT (RFC 9110 section
// 9.3.6), or one for a whole http:// address (RFC 9112 section 3.2.2).
func readHTTP(in *bufio.Reader) (r request, err error) {
	r.answer = answerHTTP
	req, err := http.ReadRequest(in)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return r, &errHTTP{http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the head of the request breaks off, or has more than %d KiB", greetLimit>>10)}
	case err != nil:
		return r, &errHTTP{http.StatusBadRequest, fault.Clean(err.Error())}
	case req.ProtoMajor != 1:
		return r, &errHTTP{http.StatusHTTPVersionNotSupported, "only HTTP/1.0 and HTTP/1.1 are served"}
	case req.Method == http.MethodConnect:
		r.answer = answerConnect
		r.host, r.port, err = targetOf(req.URL, "")
		return r, err
	case req.URL.Scheme != "http":
		return r, &errHTTP{http.StatusBadRequest, "this is a proxy: a request for http://HOST/... or CONNECT is wanted"}
	}
	r.host, r.port, err = targetOf(req.URL, "80")
	r.stream = io.MultiReader(bytes.NewReader(requestHead(req)), requestBody(req), afterRequest{in})
	return r, err
}

// targetOf returns host and port of a URL; without a port it is fallback.
func targetOf(u *url.URL, fallback string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(u.Host)
	if err != nil {
		host, service = u.Hostname(), fallback
	}
	port, _ = strconv.Atoi(service) // 0 is no port either
	if err := checkTarget(host, port); err != nil {
		return "", 0, &errHTTP{http.StatusBadRequest, err.Error()}
	}
	return host, port, nil
}

// requestHead is the request as the target gets it, up to the body.
func requestHead(req *http.Request) []byte {
	h := req.Header
	_, sized := h["Content-Length"] // before a "Connection: Content-Length" takes it away
	for name := range strings.SplitSeq(strings.Join(h["Connection"], ","), ",") {
		h.Del(strings.TrimSpace(name))
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
	h.Set("Connection", "close")
	switch {
	case isChunked(req):
		h.Set("Transfer-Encoding", "chunked")
		h.Del("Content-Length")
	case sized:
		h.Set("Content-Length", strconv.FormatInt(req.ContentLength, 10))
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.%d\r\nHost: %s\r\n", req.Method, req.URL.RequestURI(), min(req.ProtoMinor, 1), req.URL.Host)
	_ = h.Write(&head) // a buffer takes everything
	head.WriteString("\r\n")
	return head.Bytes()
}

func isChunked(req *http.Request) bool { return slices.Contains(req.TransferEncoding, "chunked") }

func requestBody(req *http.Request) io.Reader {
	if isChunked(req) {
		return &chunks{body: req.Body}
	}
	return req.Body
}

// chunks gives a body of unknown length its frames again (RFC 9112 section
// 7.1). Trailers are left out, as a proxy may (RFC 9110 section 6.5.1).
type chunks struct {
	body   io.Reader
	framed bytes.Buffer
	end    error // of body
}

func (c *chunks) Read(p []byte) (int, error) {
	for c.framed.Len() == 0 {
		if c.end != nil {
			return 0, c.end
		}
		data := make([]byte, 16<<10)
		var n int
		n, c.end = c.body.Read(data)
		if n > 0 {
			fmt.Fprintf(&c.framed, "%x\r\n%s\r\n", n, data[:n])
		}
		if c.end == io.EOF {
			c.framed.WriteString("0\r\n\r\n")
		}
	}
	return c.framed.Read(p)
}

// afterRequest lasts until the client ends, or sends more: a second request is
// for another connection, never for this target.
type afterRequest struct{ in io.Reader }

func (a afterRequest) Read([]byte) (int, error) {
	var more [1]byte
	_, err := a.in.Read(more[:])
	if err == nil {
		err = io.EOF
	}
	return 0, err
}

// answerConnect opens the tunnel, or refuses as answerHTTP.
func answerConnect(err error) []byte {
	if err == nil {
		return []byte("HTTP/1.1 200 Connection established\r\n\r\n")
	}
	return answerHTTP(err)
}

// answerHTTP is nothing for yes, since the target answers; a refusal has the
// code and the message in its body.
func answerHTTP(err error) []byte {
	if err == nil {
		return nil
	}
	status, text := statusOf(err), fault.Clean(err.Error())+"\n"
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(text), text)
}

func statusOf(err error) int {
	var bad *errHTTP
	if errors.As(err, &bad) {
		return bad.status
	}
	switch fault.CodeOf(err) {
	case fault.TargetDenied:
		return http.StatusForbidden
	case fault.TargetTimeout, fault.HoldExpired:
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
