package control_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
)

// follow is an answer of fake that tells what comes.
func follow(more <-chan control.Event) func(context.Context, control.EventOptions, func(control.Event)) error {
	return func(ctx context.Context, opts control.EventOptions, tell func(control.Event)) error {
		for {
			select {
			case e, open := <-more:
				if !open {
					return nil
				}
				tell(e)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// Events come while they happen; what was asked arrives.
func TestEvents(t *testing.T) {
	more, ended := make(chan control.Event), make(chan error, 1)
	var asked control.EventOptions
	d := &fake{events: func(ctx context.Context, opts control.EventOptions, tell func(control.Event)) error {
		asked = opts
		return follow(more)(ctx, opts, tell)
	}}
	s := serve(t, d)
	want := control.EventOptions{Since: time.Date(2026, 11, 22, 10, 0, 0, 7, time.UTC), Follow: true}
	seen := make(chan string, 1)
	go func() { ended <- s.client.Events(t.Context(), want, func(e control.Event) { seen <- e.Message }) }()
	for _, message := range []string{"one", "<two>"} {
		more <- control.Event{Message: message}
		if got := <-seen; got != message { // before the next one is there
			t.Errorf("got %q, want %q", got, message)
		}
	}
	close(more)
	if err := <-ended; err != nil || asked != want {
		t.Errorf("%v, asked %+v", err, asked)
	}
	if err := s.client.Events(t.Context(), control.EventOptions{}, nil); err != nil || asked != (control.EventOptions{}) {
		t.Errorf("%v, asked %+v", err, asked)
	}
}

// What is not meant is refused, and not guessed at.
func TestEventsQuery(t *testing.T) {
	var asked control.EventOptions
	s := serve(t, &fake{events: func(_ context.Context, opts control.EventOptions, _ func(control.Event)) error {
		asked = opts
		return nil
	}})
	for query, status := range map[string]string{
		"?since=2026-11-22T10:00:00Z": "200 application/jsonl", "?since=12h": "200 application/jsonl", "?follow=0": "200 application/jsonl",
		"?since=yesterday": "400 application/problem+json", "?since=-1h": "400 application/problem+json", "?since=2026-11-22": "400 application/problem+json",
		"?follow=maybe": "400 application/problem+json", "?folow=1": "400 application/problem+json", "?since=%zz": "400 application/problem+json",
		"?since=1h&since=2h": "400 application/problem+json", "?follow": "400 application/problem+json",
	} {
		if got, body := curl(t, s, "http://tunneld/v1/events"+query); got != status {
			t.Errorf("%s: %s\n%s", query, got, body)
		}
	}
	before := time.Now()
	curl(t, s, "http://tunneld/v1/events?since=12h")
	if ago := before.Sub(asked.Since); ago > 12*time.Hour || ago < 12*time.Hour-patience {
		t.Errorf("12h is %v", ago)
	}
}

// getEvents asks to follow, and reads no answer.
func getEvents(t *testing.T, path string) net.Conn {
	t.Helper()
	c := dial(t, path)
	if _, err := io.WriteString(c, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: tunneld\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	return c
}

// Followers have places of their own: one too many is told, and everybody else
// is answered. A place is free when its follower leaves, although nothing
// happens.
func TestFollowersAreBounded(t *testing.T) {
	s := serve(t, &fake{events: follow(nil)})
	var idle []net.Conn
	for range 16 {
		c := getEvents(t, s.path)
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", r, err)
		}
		idle = append(idle, c)
	}
	err := s.client.Events(t.Context(), control.EventOptions{Follow: true}, nil)
	if err == nil || !strings.Contains(err.Error(), "16 clients") {
		t.Errorf("follower 17: %v", err)
	}
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	idle[3].Close()
	s.access(t, 2)
	if r, err := http.ReadResponse(bufio.NewReader(getEvents(t, s.path)), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("after one left: %v, %v", r, err)
	}
}

// A follower that reads nothing is cut; nobody else notices.
func TestFollowerThatReadsNothingIsCut(t *testing.T) {
	t.Parallel()
	line := control.Event{Message: strings.Repeat("x", 1<<10)}
	var told sync.WaitGroup
	told.Add(1)
	s := serve(t, &fake{events: func(ctx context.Context, _ control.EventOptions, tell func(control.Event)) error {
		defer told.Done()
		for ctx.Err() == nil {
			tell(line)
		}
		return ctx.Err()
	}})
	getEvents(t, s.path)
	for range 20 {
		if _, err := s.client.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	told.Wait()
	if a := s.access(t, 20); a.Path != "/v1/events" || a.Err == nil {
		t.Errorf("access %+v", a)
	}
}

// A stream goes on for longer than any other request may take to be sent, or
// to be answered.
func TestFollowGoesOn(t *testing.T) {
	t.Parallel()
	more := make(chan control.Event)
	s := serve(t, &fake{events: follow(more)})
	timer := time.AfterFunc(17*time.Second, func() { more <- control.Event{Message: "late"}; close(more) })
	defer timer.Stop()
	var got []string
	err := s.client.Events(t.Context(), control.EventOptions{Follow: true}, func(e control.Event) { got = append(got, e.Message) })
	if err != nil || !slices.Equal(got, []string{"late"}) {
		t.Errorf("%v, %q", err, got)
	}
}

// A follower's stream ends well when the daemon stops.
func TestFollowEndsWithTheDaemon(t *testing.T) {
	path := socketPath(t)
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- control.Serve(ctx, l, &fake{events: func(ctx context.Context, _ control.EventOptions, tell func(control.Event)) error {
			tell(control.Event{Message: "here"})
			<-ctx.Done()
			tell(control.Event{Message: "stopped"})
			return ctx.Err()
		}}, control.Options{})
	}()
	var got []string
	err = control.New(path).Events(t.Context(), control.EventOptions{Follow: true}, func(e control.Event) {
		got = append(got, e.Message)
		cancel()
	})
	if err != nil || !slices.Equal(got, []string{"here", "stopped"}) {
		t.Errorf("%v, %q", err, got)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
