package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

func dynamicForward(name, listen string) string {
	return fmt.Sprintf("[[forward.dynamic]]\nname = %q\nlisten = %q\n", name, listen)
}

// foreign runs another program to its end, with stdin, and returns what it printed.
func foreign(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// webServers serve the same over HTTP and HTTPS; cacert is for curl.
func webServers(t *testing.T) (plain, secure *httptest.Server, cacert string) {
	t.Helper()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
		fmt.Fprintf(w, "the page at %s", r.URL)
	})
	plain, secure = httptest.NewServer(page), httptest.NewTLSServer(page)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	cacert = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(cacert, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return plain, secure, cacert
}

// curl speaks every protocol of a dynamic forward, on one port, and gets the
// page; the same of a remote forward's SOCKS proxy into this network.
func TestDynamic(t *testing.T) {
	d := sshtest.StartSSHD(t)
	plain, secure, cacert := webServers(t)
	local, remote := freeAddr(t), freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + dynamicForward("proxy", local) + remoteForward("into", remote, "socks")})
	p.forward(0, "work", "proxy", "listening")
	p.forward(0, "work", "into", "listening")
	named := strings.Replace(plain.URL, "127.0.0.1", "localhost", 1)
	for _, addr := range []string{local, remote} {
		for name, args := range map[string][]string{
			"SOCKS 4":        {"--socks4", addr, plain.URL + "/a"},
			"SOCKS 4a":       {"--socks4a", addr, named + "/a"},
			"SOCKS 5":        {"--socks5", addr, plain.URL + "/a"},
			"SOCKS 5, name":  {"--socks5-hostname", addr, named + "/a"},
			"SOCKS 5, TLS":   {"--socks5-hostname", addr, "--cacert", cacert, secure.URL + "/a"},
			"HTTP":           {"-x", "http://" + addr, named + "/a"},
			"HTTP, two":      {"-x", "http://" + addr, plain.URL + "/a", named + "/a"},
			"HTTP, upload":   {"-x", "http://" + addr, "-T", "-", plain.URL + "/a"},
			"CONNECT":        {"-p", "-x", "http://" + addr, plain.URL + "/a"},
			"CONNECT to TLS": {"-x", "http://" + addr, "--cacert", cacert, secure.URL + "/a"},
		} {
			out, err := foreign(t, "", "curl", append([]string{"-sS", "--noproxy", ""}, args...)...)
			want := "the page at /a"
			if name == "HTTP, two" {
				want += want
			}
			if out != want || err != nil {
				t.Errorf("%s through %s: %q, %v", name, addr, out, err)
			}
		}
	}
}

// A name is the server's to resolve, in every protocol that has names: here nobody
// else knows it.
func TestDynamicNames(t *testing.T) {
	t.Parallel()
	plain, secure, _ := webServers(t)
	const name = "db.known-there-alone.invalid"
	there := map[string]string{name + ":80": plain.Listener.Addr().String(), name + ":443": secure.Listener.Addr().String()}
	_, key := sshtest.NewKey(t)
	srv := &sshserver.Server{
		PublicKey: func(string, ssh.PublicKey) error { return nil },
		Dial:      func(_ context.Context, target string) (net.Conn, error) { return net.Dial("tcp", there[target]) },
	}
	sshtest.Serve(t, srv)
	host, port, _ := net.SplitHostPort(srv.Addr())
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": fmt.Sprintf("server = { host = %q, port = %s, user = 'ana' }\nauth = { identity_files = [%q], agent = 'none' }\nhost_key.known_hosts = [%q]\n",
		host, port, key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...)) + dynamicForward("proxy", local)})
	p.forward(0, "work", "proxy", "listening")
	for protocol, args := range map[string][]string{
		"SOCKS 4a":       {"--socks4a", local, "http://" + name + "/a"},
		"SOCKS 5":        {"--socks5-hostname", local, "http://" + name + "/a"},
		"HTTP":           {"-x", "http://" + local, "http://" + name + "/a"},
		"CONNECT to TLS": {"-x", "http://" + local, "-k", "https://" + name + "/a"},
	} {
		if out, err := foreign(t, "", "curl", append([]string{"-sS", "--noproxy", ""}, args...)...); out != "the page at /a" || err != nil {
			t.Errorf("%s: %q, %v", protocol, out, err)
		}
	}
}

// Each protocol has its word for each reason.
func TestDynamicSaysWhy(t *testing.T) {
	d := sshtest.StartSSHD(t, "PermitOpen 127.0.0.1:9")
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + dynamicForward("proxy", local)})
	p.forward(0, "work", "proxy", "listening")
	p.link(0, "work", "up")
	for _, c := range []struct{ want, url string }{
		{"(5)", "http://127.0.0.1:9/"},  // refused
		{"(2)", "http://127.0.0.1:10/"}, // denied
	} {
		if out, err := foreign(t, "", "curl", "-sS", "--socks5-hostname", local, c.url); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("SOCKS 5: %q, want %s", out, c.want)
		}
	}
	if out, err := foreign(t, "", "curl", "-sS", "--socks4a", local, "http://127.0.0.1:9/"); err == nil || !strings.Contains(out, "(91)") {
		t.Errorf("SOCKS 4: %q", out)
	}
	for url, want := range map[string]string{
		"http://127.0.0.1:9/":  "502 target_refused: ",
		"http://127.0.0.1:10/": "403 target_denied: ",
	} {
		out, err := foreign(t, "", "curl", "-sS", "--noproxy", "", "-x", "http://"+local, "-w", "%{stderr}%{http_code} ", url)
		if status, text, _ := strings.Cut(want, " "); err != nil || !strings.Contains(out, status) || !strings.Contains(out, text) {
			t.Errorf("HTTP: %q, %v; want %s", out, err, want)
		}
	}
	if e := p.coded(0, "work", fault.TargetDenied); e.Kind != "connection" || e.Forward != "proxy" {
		t.Errorf("event %+v", e)
	}
}

// ssh goes through the proxy with nc, as in many a ~/.ssh/config, in each of
// nc's protocols, and gets to the end of a stream.
func TestDynamicForSSH(t *testing.T) {
	d := sshtest.StartSSHD(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + dynamicForward("proxy", local)})
	p.forward(0, "work", "proxy", "listening")
	nc, err := exec.LookPath("nc.openbsd") // Debian has two of that name
	if err != nil {
		nc = "nc"
	}
	for _, protocol := range []string{"4", "5", "connect"} {
		out, err := foreign(t, "a word", "ssh", "-F", "none", "-i", d.ClientKey, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile="+d.KnownHosts,
			"-o", "ProxyCommand="+nc+" -X "+protocol+" -x "+local+" %h %p", "-p", fmt.Sprint(d.Port), d.User+"@"+d.Host, "cat; echo .")
		if out != "a word.\n" || err != nil {
			t.Errorf("-X %s: %q, %v", protocol, out, err)
		}
	}
}

// A client that comes while the server is away waits for it.
func TestDynamicHolds(t *testing.T) {
	d := sshtest.StartSSHD(t)
	plain, _, _ := webServers(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + dynamicForward("proxy", local) + "hold = \"20s\"\n"})
	p.link(0, "work", "up")
	mark := p.mark()
	d.Stop()
	p.link(mark, "work", "waiting")
	type result struct {
		out string
		err error
	}
	held := make(chan result, 1)
	go func() {
		out, err := foreign(t, "", "curl", "-sS", "--socks5-hostname", local, plain.URL+"/a")
		held <- result{out, err}
	}()
	d.Start()
	if r := <-held; r.out != "the page at /a" || r.err != nil {
		t.Errorf("%q, %v", r.out, r.err)
	}
}

// Garbage, silence and clients that leave harm nobody, and leave nothing.
func TestDynamicBadClients(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local, remote := freeAddr(t), freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + dynamicForward("proxy", local) + remoteForward("into", remote, "socks")})
	p.forward(0, "work", "proxy", "listening")
	p.forward(0, "work", "into", "listening")
	good := dialTCP(t, local)
	host, port, _ := net.SplitHostPort(echo.Addr)
	fmt.Fprintf(good, "CONNECT %s:%s HTTP/1.1\r\n\r\n", host, port)
	answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	if _, err := io.ReadFull(good, answer); err != nil {
		t.Fatal(err)
	}
	ping(t, good, "before")
	before := p.descriptors()
	for range 20 {
		for _, sent := range []string{"", "\x00", "\x16\x03\x01", "\x05", "\x05\x01\x02", "\x04\x01\x00", "GET / HTTP/1.1\r\n\r\n", "GET http://h/" + strings.Repeat("x", 70<<10)} {
			for _, addr := range []string{local, remote} {
				c := dialTCP(t, addr)
				io.WriteString(c, sent)
				c.Close()
			}
		}
	}
	slow := []net.Conn{dialTCP(t, local), dialTCP(t, remote)} // one to a port here, one through an SSH channel
	start := time.Now()
	for _, c := range slow {
		io.WriteString(c, "GET http://h/ HTTP/1.1\r\n")
	}
	for _, c := range slow {
		if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(start) > patience {
			t.Errorf("a client that thinks: %v after %s", err, time.Since(start))
		}
	}
	sshtest.Eventually(t, patience, "no more descriptors than before", func() bool { return p.descriptors() <= before })
	ping(t, good, "after")
	good.CloseWrite()
	if rest, err := io.ReadAll(good); len(rest) > 0 || err != nil {
		t.Errorf("after half-close: %q, %v", rest, err)
	}
	if out, _, status := command(t, "status", "--config", p.dir, "--json"); status != 0 || !strings.Contains(out, `"kind": "dynamic"`) {
		t.Errorf("status %d: %s", status, out)
	}
}

// Sockets here and on the server, as what listens and as what is dialled.
func TestUnixSockets(t *testing.T) {
	d := sshtest.StartSSHD(t, "StreamLocalBindUnlink yes")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	target, err := net.Listen("unix", at("target"))
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(target, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "socket") }))
	t.Cleanup(func() { target.Close() })
	p := startDaemon(t, map[string]string{"work": server(d) +
		localForward("local", "unix:"+at("local"), "unix:"+at("target")) + "mode = \"0660\"\n" +
		remoteForward("remote", "unix:"+at("remote"), "unix:"+at("target")) +
		dynamicForward("proxy", "unix:"+at("proxy"))})
	through := func() {
		t.Helper()
		for _, name := range []string{"local", "remote"} {
			if out, err := foreign(t, "", "curl", "-sS", "--unix-socket", at(name), "http://h/"); out != "socket" || err != nil {
				t.Errorf("%s: %q, %v", name, out, err)
			}
		}
	}
	for _, name := range []string{"local", "remote", "proxy"} {
		p.forward(0, "work", name, "listening")
	}
	through()
	for name, want := range map[string]os.FileMode{"local": 0o660, "proxy": 0o600} {
		if info, err := os.Stat(at(name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	mark := p.mark()
	d.KillConnections()
	p.forward(mark, "work", "remote", "listening")
	through()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"local", "proxy"} {
		if _, err := os.Lstat(at(name)); !os.IsNotExist(err) {
			t.Errorf("%s stayed behind: %v", name, err)
		}
	}
}

// A socket that a killed daemon left behind is no obstacle; one that somebody
// serves is.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	path := filepath.Join(t.TempDir(), "s")
	profile := map[string]string{"work": server(d) + localForward("db", "unix:"+path, echo.Addr)}
	p := startDaemon(t, profile)
	p.forward(0, "work", "db", "listening")
	other := startDaemon(t, profile)
	if e := other.coded(0, "work", fault.ListenInUse); !strings.Contains(e.Hint, path) {
		t.Errorf("event %+v", e)
	}
	p.cmd.Process.Kill()
	<-p.exited
	other.forward(0, "work", "db", "listening")
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ping(t, c, "hello")
}
