package main

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// What a daemon answers is what openapi.yaml says, on every route.
func TestOpenAPIIsTrue(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	p := startDaemon(t, map[string]string{
		"work":    server(d) + localForward("db", freeAddr(t), echo.Addr) + localForward("gone", freeAddr(t), "127.0.0.1:1") + remoteForward("hook", "127.0.0.1:0", echo.Addr) + appEntry("clock", "xclock"),
		"unknown": strings.Replace(server(d), `alias = "server"`, `alias = "other"`, 1),
		"bad":     "nonsense = 1",
	})
	p.link(0, "work", "up")
	p.observe("unknown", "blocked", func(q control.Profile) bool { return q.State == "blocked" })
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "control", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a := &apiCheck{t: t, doc: doc, socket: p.client().Path(), seen: map[string]bool{}}
	work := map[string]string{"name": "work", "forward": "db", "action": "restart"}
	a.ask(200, "GET", "/v1/status", nil, "")
	a.ask(200, "GET", "/v1/events", nil, "")
	a.ask(200, "GET", "/metrics", nil, "")
	a.ask(200, "GET", "/v1/prompts", nil, "")
	a.ask(404, "POST", "/v1/prompts", nil, `{"id": "unknown/1", "answers": ["SHA256:other"]}`)
	a.ask(400, "POST", "/v1/secrets/{name}", work, `{}`)
	a.ask(0, "DELETE", "/v1/secrets/{name}", work, "") // there may be no keyring
	a.ask(200, "POST", "/v1/profiles/{name}/trace", work, `{"forwards": true}`)
	none := map[string]string{"name": "none", "forward": "db", "app": "clock", "action": "up"}
	for _, route := range []string{"trace", "check", "{action}", "forwards/{forward}/{action}", "apps/{app}/{action}", "launch/{app}"} {
		a.ask(404, "POST", "/v1/profiles/{name}/"+route, none, "")
	}
	a.ask(404, "GET", "/v1/profiles/{name}/sftp", none, "")
	a.ask(400, "GET", "/v1/events", nil, "", "follow=perhaps")
	a.ask(200, "POST", "/v1/profiles/{name}/check", work, "")
	a.ask(426, "GET", "/v1/profiles/{name}/session", work, "")
	a.ask(409, "GET", "/v1/profiles/{name}/dial", work, "")
	a.ask(426, "GET", "/v1/profiles/{name}/sftp", work, "")
	a.ask(202, "POST", "/v1/profiles/{name}/{action}", work, "")
	a.ask(202, "POST", "/v1/profiles/{name}/forwards/{forward}/{action}", work, "")
	app := map[string]string{"name": "work", "forward": "db", "app": "clock", "action": "up"}
	a.ask(202, "POST", "/v1/profiles/{name}/apps/{app}/{action}", app, "")
	a.ask(409, "POST", "/v1/profiles/{name}/launch/{app}", app, "")
	a.ask(409, "POST", "/v1/display", nil, `{"display": "remote.example.com:0"}`)
	a.ask(200, "POST", "/v1/reload", nil, `{"keep": true}`)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !a.seen[method+" "+path] {
				t.Errorf("nothing asks %s %s: add a line above", method, path)
			}
			if method != http.MethodGet {
				a.ask(400, method, path, app, "nonsense")
			}
		}
	}
}

// apiCheck asks a daemon and compares the answers with the document.
type apiCheck struct {
	t      *testing.T
	doc    *openapi3.T
	socket string
	seen   map[string]bool
}

// ask makes a request of a route with its parameters; status 0 is any.
func (a *apiCheck) ask(status int, method, route string, values map[string]string, body string, query ...string) {
	a.t.Helper()
	path := route
	for name, value := range values {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://tunneld"+path+"?"+strings.Join(query, "&"), strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
	}}}
	answer, err := client.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || status != 0 && answer.StatusCode != status {
		a.t.Errorf("%s %s: %d, want %d, %v\n%s", method, path, answer.StatusCode, status, err, text)
	}
	a.seen[method+" "+route] = true
	a.compare(a.doc.Paths.Value(route).GetOperation(method), answer, text)
}

// compare checks an answer, each of its lines if it has many.
func (a *apiCheck) compare(operation *openapi3.Operation, answer *http.Response, text []byte) {
	a.t.Helper()
	want := operation.Responses.Status(answer.StatusCode)
	if want == nil {
		want = operation.Responses.Default()
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	content := want.Value.Content[media]
	switch {
	case len(text) == 0 && len(want.Value.Content) == 0, content != nil && media == "text/plain":
		return
	case content == nil:
		a.t.Errorf("%s answers %d with %q, which openapi.yaml does not say", operation.OperationID, answer.StatusCode, media)
		return
	}
	documents := json.NewDecoder(strings.NewReader(string(text)))
	for documents.More() {
		var v any
		if err := documents.Decode(&v); err != nil {
			a.t.Fatalf("%s: %v\n%s", operation.OperationID, err, text)
		}
		if err := content.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors()); err != nil {
			a.t.Errorf("%s: openapi.yaml says otherwise: %v\n%v", operation.OperationID, err, v)
		}
	}
}
