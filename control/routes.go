package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"tunneld/fault"
)

// How long a request may take, on both sides.
const (
	quickLimit = 10 * time.Second // what only looks
	actLimit   = 30 * time.Second // what changes something
	traceLimit = 5 * time.Minute  // a connection through many hops

	streamLimit = time.Minute // all the events that are kept
	ownLimit    = 0           // the route has one of its own
)

// route is one request of the API.
type route struct {
	pattern string
	limit   time.Duration
	answer  func(*server, *response, *http.Request) error
}

// routes is the whole API.
var routes = []route{
	{"GET /v1/status", quickLimit, (*server).status},
	{"GET /v1/events", ownLimit, (*server).events},
	{"GET /metrics", quickLimit, (*server).metrics},
	{"GET /v1/prompts", quickLimit, (*server).prompts},
	{"POST /v1/prompts", actLimit, (*server).answerPrompt},
	{"POST /v1/secrets/{name}", actLimit, (*server).setSecret},
	{"DELETE /v1/secrets/{name}", actLimit, (*server).removeSecret},
	{"POST /v1/profiles/{name}/trace", traceLimit, (*server).trace},
	{"POST /v1/profiles/{name}/check", traceLimit, (*server).checkProfile},
	{"GET /v1/profiles/{name}/session", ownLimit, (*server).session},
	{"GET /v1/profiles/{name}/dial", ownLimit, (*server).dial},
	{"GET /v1/profiles/{name}/sftp", ownLimit, (*server).sftp},
	{"POST /v1/profiles/{name}/{action}", actLimit, (*server).act},
	{"POST /v1/profiles/{name}/forwards/{forward}/{action}", actLimit, (*server).act},
	{"POST /v1/profiles/{name}/apps/{app}/{action}", actLimit, (*server).actApp},
	{"POST /v1/profiles/{name}/launch/{app}", launchLimit, (*server).launch},
	{"POST /v1/display", actLimit, (*server).setDisplay},
	{"POST /v1/reload", actLimit, (*server).reload},
}

func (s *server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.pattern, s.handler(rt))
	}
	mux.Handle("/", s.handler(route{"/", quickLimit, (*server).unknown}))
	return mux
}

// check refuses what cannot come from a client of ours. A browser sends Origin,
// or the Host of the site that sent it: a page must not reach the API by way of
// a program that leads from TCP to the socket, nor by a name that its site
// resolves to this machine (DNS rebinding).
func (s *server) check(r *http.Request) error {
	if p, _ := PeerOf(r.Context()); !s.admits(p) {
		return fault.New(fault.PermissionDenied, "", "this account may not ask the daemon").WithHint(accessHint)
	}
	if _, browser := r.Header["Origin"]; browser {
		return fault.New(fault.PermissionDenied, "", "requests of web pages are refused").WithHint("leave out the Origin header")
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !strings.EqualFold(host, "tunneld") && !strings.EqualFold(host, "localhost") {
		return fault.New(fault.PermissionDenied, "", "requests to the host %q are refused", fault.Clean(host)).WithHint("ask for http://tunneld/")
	}
	if r.ContentLength > bodyBytes {
		return &http.MaxBytesError{Limit: bodyBytes}
	}
	return nil
}

// unknown answers what no route is for.
func (s *server) unknown(w *response, r *http.Request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return s.nowhere(w, r)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &refusal{http.StatusMethodNotAllowed, fault.Clean(r.URL.Path) + " takes " + strings.Join(allowed, " or ")}
}

// nowhere answers a path that there is not.
func (s *server) nowhere(_ *response, r *http.Request) error {
	return &refusal{http.StatusNotFound, "there is no " + fault.Clean(r.URL.Path) + " in this version"}
}

func (s *server) status(w *response, _ *http.Request) error { return reply(w, s.daemon.Status()) }

func (s *server) metrics(w *response, r *http.Request) error {
	s.daemon.Metrics().ServeHTTP(w, r)
	return nil
}

func (s *server) prompts(w *response, _ *http.Request) error {
	prompts := append([]Prompt{}, s.daemon.Prompts()...)
	for i := range prompts {
		prompts[i].Prompts = append([]PromptLine{}, prompts[i].Prompts...) // [], never null
	}
	return reply(w, prompts)
}

func (s *server) answerPrompt(w *response, r *http.Request) error {
	var a Answer
	if err := decode(r, &a); err != nil {
		return err
	}
	return done(w, s.daemon.Answer(r.Context(), a))
}

// secretBody is a secret as a client sends it.
type secretBody struct {
	Secret string `json:"secret"`
}

func (s *server) setSecret(w *response, r *http.Request) error {
	var body secretBody
	if err := decode(r, &body); err != nil {
		return err
	}
	if body.Secret == "" {
		return &refusal{http.StatusBadRequest, "the secret is empty"}
	}
	return done(w, s.daemon.SetSecret(r.Context(), r.PathValue("name"), []byte(body.Secret)))
}

func (s *server) removeSecret(w *response, r *http.Request) error {
	if err := wantNothing(r); err != nil {
		return err
	}
	return done(w, s.daemon.RemoveSecret(r.Context(), r.PathValue("name")))
}

func (s *server) act(w *response, r *http.Request) error {
	action, err := s.actionOf(r)
	if err != nil {
		return err
	}
	if err := s.daemon.Act(r.Context(), action, r.PathValue("name"), r.PathValue("forward")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// actionOf returns the action that a path names, which needs no body.
func (s *server) actionOf(r *http.Request) (Action, error) {
	action := Action(r.PathValue("action"))
	if action != Up && action != Down && action != Restart {
		return "", s.nowhere(nil, r)
	}
	return action, wantNothing(r)
}

// reloadBody is ReloadOptions on the wire.
type reloadBody struct {
	UndoAfter string `json:"undo_after,omitempty"` // "5m"
	Keep      bool   `json:"keep,omitempty"`
}

func (o ReloadOptions) body() reloadBody {
	b := reloadBody{Keep: o.Keep}
	if o.UndoAfter != 0 {
		b.UndoAfter = o.UndoAfter.String()
	}
	return b
}

func (b reloadBody) options() (ReloadOptions, error) {
	o := ReloadOptions{Keep: b.Keep}
	if b.UndoAfter == "" {
		return o, nil
	}
	after, err := time.ParseDuration(b.UndoAfter)
	switch {
	case err != nil || after <= 0:
		return o, &refusal{http.StatusBadRequest, "undo_after: want a duration such as 5m"}
	case b.Keep:
		return o, &refusal{http.StatusBadRequest, "keep and undo_after exclude each other"}
	}
	o.UndoAfter = after
	return o, nil
}

func (s *server) reload(w *response, r *http.Request) error {
	var body reloadBody
	if err := decode(r, &body); err != nil {
		return err
	}
	opts, err := body.options()
	if err != nil {
		return err
	}
	result, err := s.daemon.Reload(r.Context(), opts)
	if err != nil {
		return err
	}
	result.Changes = append([]Change{}, result.Changes...)
	result.Problems = append([]Problem{}, result.Problems...)
	return reply(w, result)
}

// trace streams the events as they happen. Before the first one a failure is a
// problem document, as everywhere; later it is the last line.
func (s *server) trace(w *response, r *http.Request) error {
	var opts TraceOptions
	if err := decode(r, &opts); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var gone error
	err := contained(func() error {
		return s.daemon.Trace(ctx, r.PathValue("name"), opts, func(e Event) {
			if gone = errors.Join(gone, sendLine(w, streamLine{Event: &e})); gone != nil {
				cancel() // nobody listens any more
			}
		})
	})
	switch {
	case gone != nil:
		return gone
	case err != nil && w.status != 0:
		w.cause = err
		_, p := problemOf(err)
		return sendLine(w, streamLine{Problem: &p})
	case err == nil && w.status == 0:
		w.WriteHeader(http.StatusOK)
	}
	return err
}

func (s *server) checkProfile(w *response, r *http.Request) error {
	var body checkBody
	if err := decode(r, &body); err != nil {
		return err
	}
	check := s.daemon.Check
	if body.X11 != nil {
		check = func(ctx context.Context, profile string) (CheckResult, error) {
			return s.daemon.CheckX11(ctx, profile, *body.X11)
		}
	}
	result, err := check(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	result.Trials = append([]Trial{}, result.Trials...)
	return reply(w, result)
}

// contained turns a panic of call into its error.
func contained(call func() error) (err error) {
	defer fault.Recover(&err)
	return call()
}

// sendLine sends v as one line of JSON, at once.
func sendLine(w *response, v any) error {
	if w.status == 0 {
		w.Header().Set("Content-Type", linesType)
	}
	if err := encode(w, v); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
