package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"tunneld/fault"
)

// dialLimit bounds the connection to a daemon on the same machine.
const dialLimit = 5 * time.Second

// Client asks a daemon. Its methods may be called by many goroutines at once,
// and are bounded in time beside their ctx. Their errors are *fault.Error where
// the daemon, or the way to it, gave a code.
type Client struct {
	path string
	http http.Client
}

// New returns a client of the daemon at path. Every request connects anew, and
// checks who serves path before it sends anything.
func New(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DialContext: c.dial, DisableKeepAlives: true}
	return c
}

// Dial returns a client of the daemon at path, if one listens there now. The
// error is daemon_not_running where none does.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := New(path)
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return c, conn.Close()
}

// Path returns the socket or pipe.
func (c *Client) Path() string { return c.path }

// dial connects and checks who serves. It has the form of net.Dialer's; the
// address of a URL means nothing here.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := dialPath(ctx, c.path)
	if err != nil {
		return nil, c.explain(err)
	}
	if err := checkServer(conn, c.path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault.New(fault.DaemonNotRunning, "", "no daemon answers at %s", c.path).
			WithHint("start one: tunneld run, or tunneld service start for the machine's")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.PermissionDenied, "", "this account may not ask the daemon at %s", c.path).
			WithHint(accessHint)
	default:
		return err
	}
}

// Status returns the status document.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, quickLimit, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Prompts returns what waits for a person.
func (c *Client) Prompts(ctx context.Context) (p []Prompt, err error) {
	err = c.call(ctx, quickLimit, http.MethodGet, "/v1/prompts", nil, &p)
	return p, err
}

// Answer answers a prompt.
func (c *Client) Answer(ctx context.Context, a Answer) error {
	return c.call(ctx, actLimit, http.MethodPost, "/v1/prompts", a, nil)
}

// SetSecret hands the daemon a secret to keep.
func (c *Client) SetSecret(ctx context.Context, name string, secret []byte) error {
	return c.call(ctx, actLimit, http.MethodPost, "/v1/secrets/"+url.PathEscape(name), secretBody{string(secret)}, nil)
}

// RemoveSecret makes the daemon forget a secret.
func (c *Client) RemoveSecret(ctx context.Context, name string) error {
	return c.call(ctx, actLimit, http.MethodDelete, "/v1/secrets/"+url.PathEscape(name), nil, nil)
}

// Act starts, stops or restarts a profile, or one forward of it.
func (c *Client) Act(ctx context.Context, action Action, profile, forward string) error {
	path := "/v1/profiles/" + url.PathEscape(profile)
	if forward != "" {
		path += "/forwards/" + url.PathEscape(forward)
	}
	return c.call(ctx, actLimit, http.MethodPost, path+"/"+string(action), nil, nil)
}

// Reload makes the daemon read its profiles again.
func (c *Client) Reload(ctx context.Context, opts ReloadOptions) (r ReloadResult, err error) {
	err = c.call(ctx, actLimit, http.MethodPost, "/v1/reload", opts.body(), &r)
	return r, err
}

// Trace makes the daemon connect anew, and tells every step. The error is why
// the connection failed.
func (c *Client) Trace(ctx context.Context, profile string, opts TraceOptions, tell func(Event)) error {
	ctx, cancel := context.WithTimeout(ctx, traceLimit)
	defer cancel()
	body, err := c.do(ctx, http.MethodPost, "/v1/profiles/"+url.PathEscape(profile)+"/trace", opts)
	if err != nil {
		return err
	}
	defer body.Close()
	return readLines(body, "trace "+profile, tell)
}

// Check makes the daemon connect anew, and ask for each forward.
func (c *Client) Check(ctx context.Context, profile string) (r CheckResult, err error) {
	err = c.call(ctx, traceLimit, http.MethodPost, "/v1/profiles/"+url.PathEscape(profile)+"/check", nil, &r)
	return r, err
}

// call makes one request and reads its answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, limit time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// do returns the body of an answer that is not a problem. The caller closes it.
func (c *Client) do(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var text []byte
	if in != nil {
		var err error
		if text, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://tunneld"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.unanswered(err)
	}
	if answer.StatusCode < http.StatusBadRequest {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, readProblem(answer)
}

// ErrUnanswered is the error of a request that a daemon took and did not answer:
// it hangs, is suspended, or ended meanwhile.
var ErrUnanswered = errors.New("does not answer")

// unanswered says why a request had no answer, without net/http's URL, which
// means nothing to a person here.
func (c *Client) unanswered(err error) error {
	if f := fault.As(err); f != nil {
		return f
	}
	if inner := new(url.Error); errors.As(err, &inner) {
		err = inner.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the daemon at %s %w in time", c.path, ErrUnanswered)
	}
	return fmt.Errorf("the daemon at %s %w: %w", c.path, ErrUnanswered, err)
}

// readProblem returns the error of an answer.
func readProblem(answer *http.Response) error {
	var p problem
	if err := json.NewDecoder(io.LimitReader(answer.Body, bodyBytes)).Decode(&p); err != nil || p.Message == "" {
		return fmt.Errorf("the daemon answers %s", answer.Status)
	}
	return p.err()
}
