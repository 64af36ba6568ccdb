package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// followers is how many may follow the events at once: they stay for long, and
// must not take the places of all other requests.
const followers = 16

// EventOptions say which events somebody wants; the zero value is all that are
// kept.
type EventOptions struct {
	Since  time.Time // those from before are left out
	Follow bool      // go on with what happens
}

// ParseSince reads a time in the past as people write it: in RFC 3339, or as
// the Go duration that has passed since. No text is no time.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("since: want a duration such as 12h, or a time such as 2026-11-22T10:00:00Z")
	}
	return at, nil
}

// query is o as the end of a path.
func (o EventOptions) query() string {
	q := url.Values{}
	if !o.Since.IsZero() {
		q.Set("since", o.Since.Format(time.RFC3339Nano))
	}
	if o.Follow {
		q.Set("follow", "1")
	}
	return "?" + q.Encode()
}

// eventOptions is the opposite of query, strict as decode is.
func eventOptions(r *http.Request) (o EventOptions, err error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return o, &refusal{http.StatusBadRequest, "the query cannot be read"}
	}
	for name, values := range q {
		switch {
		case len(values) > 1:
			err = errors.New("the query: want each key once")
		case name == "since":
			o.Since, err = ParseSince(values[0], time.Now())
		case name == "follow":
			if o.Follow, err = strconv.ParseBool(values[0]); err != nil {
				err = errors.New("follow: want 1 or 0")
			}
		default:
			err = errors.New("the query: want since and follow, nothing else")
		}
		if err != nil {
			return o, &refusal{http.StatusBadRequest, err.Error()}
		}
	}
	return o, nil
}

// events streams what happened. Who follows has no limit in time, but each
// line has its own, and stays until the daemon stops.
func (s *server) events(w *response, r *http.Request) error {
	opts, err := eventOptions(r)
	if err != nil {
		return err
	}
	limit := streamLimit
	if opts.Follow {
		if !s.admitFollower() {
			return &refusal{http.StatusServiceUnavailable, fmt.Sprintf("%d clients follow the events already", followers)}
		}
		defer s.releaseFollower()
		limit = 0
	}
	ctx, cancel := withLimit(r.Context(), limit)
	defer cancel()
	if err := w.beginLines(); err != nil {
		return err
	}
	var gone error
	err = contained(func() error {
		return s.daemon.Events(ctx, opts, func(e Event) {
			if gone == nil {
				gone = sendLine(w, e)
			}
			if gone != nil {
				cancel() // nobody listens any more
			}
		})
	})
	if gone != nil {
		return gone
	}
	if errors.Is(err, context.Canceled) {
		return nil // the daemon stops, or the client left: nothing is missing
	}
	return err
}

func (s *server) admitFollower() bool {
	select {
	case s.followers <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *server) releaseFollower() { <-s.followers }

// Events tells what happened, oldest first, and with Follow what happens, until
// ctx or the daemon ends. It returns nil when the daemon has told everything:
// with Follow, because it stopped.
func (c *Client) Events(ctx context.Context, opts EventOptions, tell func(Event)) error {
	limit := streamLimit
	if opts.Follow {
		limit = 0
	}
	ctx, cancel := withLimit(ctx, limit)
	defer cancel()
	silent := time.AfterFunc(quickLimit, cancel)
	body, err := c.do(ctx, http.MethodGet, "/v1/events"+opts.query(), nil)
	silent.Stop()
	if err != nil {
		return err
	}
	defer body.Close()
	return readLines(body, "events", tell)
}

// withLimit is ctx bounded by limit; 0 is none.
func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// linesType is the media type of a stream.
const linesType = "application/jsonl"

// streamLine is a line of a stream: an event, or at the end why it failed.
type streamLine struct {
	*Event
	Problem *problem `json:"problem,omitempty"`
}

// readLines tells the events of a stream, up to its end or its problem; what
// names the stream.
func readLines(r io.Reader, what string, tell func(Event)) error {
	lines := json.NewDecoder(r)
	for {
		var line streamLine
		err := lines.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case line.Problem != nil:
			return line.Problem.err()
		case line.Event != nil:
			tell(*line.Event)
		}
	}
}

// beginLines sends the header of a stream at once.
func (w *response) beginLines() error {
	if err := w.extend(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", linesType)
	w.WriteHeader(http.StatusOK)
	return http.NewResponseController(w).Flush()
}
