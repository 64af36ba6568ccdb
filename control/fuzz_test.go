package control

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tunneld/fault"
)

// quiet is a daemon to which nothing happens.
type quiet struct{}

func (quiet) Status() Status                                           { return Status{} }
func (quiet) Metrics() http.Handler                                    { return http.HandlerFunc(sayNothing) }
func (quiet) Prompts() []Prompt                                        { return nil }
func (quiet) Answer(context.Context, Answer) error                     { return nil }
func (quiet) SetSecret(context.Context, string, []byte) error          { return nil }
func (quiet) RemoveSecret(context.Context, string) error               { return nil }
func (quiet) Act(context.Context, Action, string, string) error        { return nil }
func (quiet) ActApp(context.Context, Action, string, string) error     { return nil }
func (quiet) Launch(context.Context, string, string, X11Request) error { return nil }
func (quiet) CheckX11(context.Context, string, X11Request) (CheckResult, error) {
	return CheckResult{}, nil
}
func (quiet) SetDisplay(context.Context, DisplayOffer) error                 { return nil }
func (quiet) Reload(context.Context, ReloadOptions) (ReloadResult, error)    { return ReloadResult{}, nil }
func (quiet) Trace(context.Context, string, TraceOptions, func(Event)) error { return nil }
func (quiet) Check(context.Context, string) (CheckResult, error)             { return CheckResult{}, nil }
func (quiet) Events(context.Context, EventOptions, func(Event)) error        { return nil }

func (quiet) Session(context.Context, string, SessionRequest, SessionStreams) (SessionExit, error) {
	return SessionExit{}, nil
}
func (quiet) Dial(context.Context, string, string) (Pipe, error) {
	return nil, fault.New(fault.TargetRefused, fault.Forward, "nothing listens")
}
func (quiet) SFTP(context.Context, string) (Pipe, error) {
	return nil, fault.New(fault.SessionDenied, fault.Session, "no subsystem")
}

func sayNothing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

// Whatever is asked: no panic, no fault of the server's, and each refusal is a
// problem document; with an Origin nothing else ever comes.
func FuzzRequest(f *testing.F) {
	for _, rt := range routes {
		method, path, _ := strings.Cut(rt.pattern, " ")
		f.Add(method, strings.ReplaceAll(path, "{name}", "a%2Fb"), "tunneld", "", `{}`)
	}
	f.Add("POST", "/v1/prompts", "localhost:80", "", `{"id":"x","answers":["y"],"replace":true}`)
	f.Add("POST", "/v1/secrets/x", "tunneld", "null", `{"secret":"y"}`)
	f.Add("POST", "/v1/display", "tunneld", "", `{"display":":0","cookie":"0123"}`)
	f.Add("POST", "/v1/profiles/work/launch/xterm", "tunneld", "", `{"trusted":true,"display":{"display":":0"}}`)
	f.Add("POST", "/v1/reload", "tunneld", "", `{"undo_after":"5m"}`)
	f.Add("GET", "/v1/events?follow=1&since=12h", "tunneld", "", "")
	f.Add("GET", "/v1/events?since=2026-11-22T10:00:00Z&x", "tunneld", "", "")
	f.Add("PUT", "//v1/../status", "evil", "", "\x00")
	f.Fuzz(func(t *testing.T, method, path, host, origin, body string) {
		r, err := http.NewRequest(method, "http://tunneld/", strings.NewReader(body))
		if err != nil {
			return
		}
		if r.URL, err = r.URL.Parse(path); err != nil || r.URL.Opaque != "" {
			return
		}
		r.Host = host
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		s := newServer(quiet{}, func(Peer) bool { return true })
		w := httptest.NewRecorder()
		s.ServeHTTP(deadlines{w}, r)
		checkAnswer(t, w, origin != "")
	})
}

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder, browser bool) {
	t.Helper()
	var p problem
	isProblem := w.Header().Get("Content-Type") == problemType
	switch {
	case w.Code >= 500, w.Code >= 300 && w.Code < 400, browser && w.Code != http.StatusForbidden:
		t.Errorf("status %d: %s", w.Code, w.Body)
	case w.Code >= 400 && (!isProblem || json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Message == ""):
		t.Errorf("status %d is no problem document: %s", w.Code, w.Body)
	case w.Code < 400 && isProblem:
		t.Errorf("status %d is a problem: %s", w.Code, w.Body)
	}
}

// deadlines is a recorder that takes the deadlines of a connection.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetWriteDeadline(time.Time) error { return nil }
