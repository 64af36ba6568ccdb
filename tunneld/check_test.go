package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// check --connect tries every forward, also behind one that fails, with a
// daemon and without, and touches nothing that runs.
func TestCheckConnect(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t, "PermitListen localhost:*"), sshtest.Echo(t)
	_, wrong := sshtest.NewKey(t)
	closed := freeAddr(t)
	p := startDaemon(t, map[string]string{
		"work": server(d) + localForward("gone", freeAddr(t), closed) + localForward("db", freeAddr(t), echo.Addr) +
			remoteForward("hook", "localhost:0", echo.Addr) + remoteForward("wide", "0.0.0.0:8080", echo.Addr) +
			fmt.Sprintf("[[forward.dynamic]]\nname = \"proxy\"\nlisten = %q\n", freeAddr(t)),
		"good":  server(d) + localForward("db", freeAddr(t), echo.Addr),
		"wrong": strings.Replace(server(d), d.ClientKey, wrong, 1),
		"off":   "enabled = false\n" + server(d),
	})
	p.link(0, "work", "up")
	p.write("else where/copy.toml", server(d)+localForward("db", freeAddr(t), echo.Addr))
	check := func(how string) {
		out, errs, status := p.tunneld("", "check", "--connect", "work")
		wantTrials(t, how, out, closed, echo.Addr)
		wants(t, how, out, errs, status, 1, "tunneld: 2 trials failed\nhint: ")
		out, errs, status = p.tunneld("", "check", "--connect", "good", filepath.Join(p.dir, "else where", "copy.toml"))
		wants(t, how+", good ones", out, errs, status, 0, "good: ok\n  pass  connect ", "copy: ok\n  pass  connect ")
		out, errs, status = p.tunneld("", "check", "--connect", "wrong")
		wants(t, how+", wrong key", out, errs, status, 1, "  pass  host_key  ssh-ed25519 SHA256:", "  FAIL  auth      auth_rejected: ", "        hint: ")
		out, errs, status = p.tunneld("", "check", "--connect", "--json")
		if wants(t, how+", JSON", out, errs, status, 1); how == "with a daemon" {
			wantTrialsJSON(t, out)
		}
	}
	check("with a daemon")
	if q := p.observe("work", "as before", isServingInPart); q.Reconnects != 0 {
		t.Errorf("the link was lost: %+v", q)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	check("without a daemon")
}

// A single file may have any name: what deploys profiles checks a temporary one.
func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_CONFIG", dir)
	for _, name := range []string{"work.toml", "source", ".source", "A b.new"} {
		path := filepath.Join(dir, name)
		for text, want := range map[string]int{"server.host = 'h'\n": 0, "server.hots = 'h'\n": exitFailed} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, errs, status := command(t, "check", path)
			wants(t, name, out, errs, status, want)
			if said := strings.Contains(out, "did you mean host?"); said != (want != 0) {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
	out, errs, status := command(t, "check", "source")
	wants(t, "a name", out, errs, status, exitFailed, `there is no profile "source"`)
}

// isServingInPart is a profile that is up, whatever its forwards do.
func isServingInPart(p control.Profile) bool { return p.State == "up" }

// wantTrials compares a whole check with the lines that are wanted.
func wantTrials(t *testing.T, how, out, closed, echo string) {
	t.Helper()
	want := fmt.Sprintf(`^work: ok
  pass  connect   127\.0\.0\.1:\d+
  pass  host_key  ssh-ed25519 SHA256:\S+ \S+:\d
  pass  auth      publickey .*
  FAIL  gone      target_refused: %s: .*
        hint: .*
  pass  db        %s
  pass  hook      the server listens for localhost:0
  FAIL  wide      remote_forward_denied: .*
        hint: .*
  skip  proxy     each client says where to connect
$`, regexp.QuoteMeta(closed), regexp.QuoteMeta(echo))
	if !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("%s:\n%s\nwant\n%s", how, out, want)
	}
}

// wantTrialsJSON looks at the document of all profiles: a disabled one is not
// tried.
func wantTrialsJSON(t *testing.T, out string) {
	t.Helper()
	var doc struct {
		Profiles []struct {
			Name   string
			Trials []control.Trial
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	trials := map[string][]control.Trial{}
	for _, p := range doc.Profiles {
		trials[p.Name] = p.Trials
	}
	if w := trials["wrong"]; len(trials["off"]) != 0 || len(trials["good"]) != 4 || len(trials["work"]) != 8 || len(w) != 3 || w[2].Verdict != control.Fail || w[2].Error.Code != fault.AuthRejected {
		t.Errorf("%+v", trials)
	}
}

// A key that may listen on one port alone gets it tried, also while the daemon
// has that port.
func TestCheckOfTheOnePermittedPort(t *testing.T) {
	_, port, _ := net.SplitHostPort(freeAddr(t))
	_, another, _ := net.SplitHostPort(freeAddr(t))
	d, echo := sshtest.StartSSHD(t, "PermitListen localhost:"+port), sshtest.Echo(t)
	p := startDaemon(t, map[string]string{"work": server(d) +
		remoteForward("hook", "localhost:"+port, echo.Addr) + remoteForward("other", "localhost:"+another, echo.Addr)})
	p.forward(0, "work", "hook", "listening")
	check := func(how string) {
		t.Helper()
		out, errs, status := p.tunneld("", "check", "--connect", "work")
		wants(t, how, out, errs, status, 1, "  pass  hook ", "  FAIL  other     remote_forward_denied: ")
	}
	check("with a daemon")
	if q := p.observe("work", "as before", isServingInPart); q.Reconnects != 0 || q.Forwards[0].State != "listening" {
		t.Errorf("what runs was touched: %+v", q)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	check("without a daemon")
}
