package link_test

import (
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/armon/go-socks5"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// The name and the password that the proxies of these tests want.
const (
	proxyUser     = "ana"
	proxyPassword = "s3cret&more"
	proxyUserinfo = "ana:s3cret%26more@"
)

// socksProxy is a SOCKS5 server on loopback that wants a password.
func socksProxy(t *testing.T) *sshtest.Backend {
	t.Helper()
	server, err := socks5.New(&socks5.Config{
		Credentials: socks5.StaticCredentials{proxyUser: proxyPassword},
		Logger:      log.New(io.Discard, "", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return sshtest.Script(t, func(c net.Conn) { server.ServeConn(c) })
}

// httpProxy is an HTTP proxy on loopback that wants a password.
func httpProxy(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(serveConnect))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func serveConnect(w http.ResponseWriter, r *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(proxyUser+":"+proxyPassword))
	switch {
	case r.Header.Get("Proxy-Authorization") != want:
		http.Error(w, "who are you", http.StatusProxyAuthRequired)
		return
	case r.Method != http.MethodConnect || r.Host != r.URL.Host:
		http.Error(w, "not for me", http.StatusBadRequest)
		return
	}
	up, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer up.Close()
	w.WriteHeader(http.StatusOK)
	down, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer down.Close()
	go func() {
		io.Copy(up, down)
		up.Close()
	}()
	io.Copy(down, up)
}

func TestProxies(t *testing.T) {
	sshtest.Leaks(t)
	hop, d, backend := sshtest.StartSSHD(t), sshtest.StartSSHD(t), sshtest.Echo(t)
	for what, proxy := range map[string]string{
		"socks5": "socks5://" + proxyUserinfo + socksProxy(t).Addr,
		"http":   "http://" + proxyUserinfo + httpProxy(t),
	} {
		t.Run(what, func(t *testing.T) {
			tg := sshdTarget(t, d)
			tg.Proxy = proxy
			tg.Jumps = []link.Target{sshdTarget(t, hop)}
			l, _ := serve(t, tg)
			c, err := dial(t, l, backend.Addr, patience)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			echo(t, c, "hello")
			hop.KillConnections()
			sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects == 1 })
		})
	}
}

// No proxy can do more than fail, with its own words and without the password.
func TestBadProxies(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	endless := func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X-More: and more\r\n"); err != nil {
				return
			}
		}
	}
	script := func(serve func(net.Conn)) string { return sshtest.Script(t, serve).Addr }
	socks, web := socksProxy(t).Addr, httpProxy(t)
	basic := base64.StdEncoding.EncodeToString([]byte("ana:wr0ng&more"))
	says := func(line string) string {
		return "http://ana:wr0ng%26more@" + script(sshtest.Saying("HTTP/1.1 407 "+line+" is wrong\r\n\r\n"))
	}
	greets := func(line string) string {
		return "http://ana:wr0ng%26more@" + script(sshtest.Saying("HTTP/1.1 200 OK\r\n\r\n"+line+"\r\n"))
	}
	for what, test := range map[string]struct {
		proxy string
		code  fault.Code
		text  string
	}{
		"socks, wrong password":    {"socks5://ana:wr0ng@" + socks, fault.ProxyFailed, "authentication failed"},
		"socks, no password":       {"socks5://" + socks, fault.ProxyFailed, "no acceptable authentication"},
		"socks, gone":              {"socks5://" + proxyUserinfo + "127.0.0.1:1", fault.ProxyFailed, "refused"},
		"socks, silent":            {"socks5://" + proxyUserinfo + script(sshtest.Silent), fault.ProxyFailed, "no answer within"},
		"socks, a web server":      {"socks5://" + script(sshtest.Saying("HTTP/1.1 400 Bad Request\r\n\r\n")), fault.ProxyFailed, "unexpected protocol version"},
		"http, wrong password":     {"http://ana:wr0ng@" + web, fault.ProxyFailed, "407 Proxy Authentication Required"},
		"http, echoes":             {"http://ana:wr0ng@" + script(sshtest.Saying("HTTP/1.1 407 wr0ng is wrong\r\n\r\n")), fault.ProxyFailed, "the password that it was given"},
		"http, echoes it escaped":  {says("wr0ng%26more"), fault.ProxyFailed, "the password that it was given"},
		"http, echoes its header":  {says("Basic " + basic), fault.ProxyFailed, "the password that it was given"},
		"http, echoes as no proxy": {"http://ana:wr0ng%22x@" + script(sshtest.Saying("wr0ng\"x\r\n\r\n")), fault.ProxyFailed, "the password that it was given"},
		"http, greets with it":     {greets("Basic " + basic), fault.NotSSH, "the password that it was given"},
		"http, a version with it":  {greets("SSH-2.0-wr0ng&more"), fault.HandshakeTimeout, ""},
		"http, silent":             {"http://" + script(sshtest.Silent), fault.ProxyFailed, "no answer within"},
		"http, slams":              {"http://" + script(sshtest.Slam), fault.ProxyFailed, ""},
		"http, endless":            {"http://" + script(endless), fault.ProxyFailed, "no end"},
		"http, ssh server":         {"http://" + script(sshtest.Saying("SSH-2.0-OpenSSH_9.2\r\n")), fault.ProxyFailed, "no HTTP proxy"},
		"http, lies":               {"http://" + script(sshtest.Saying("HTTP/1.1 200 OK\r\n\r\n<html>welcome\n")), fault.NotSSH, "<html>welcome"},
		"http, lies and waits":     {"http://" + script(sshtest.Saying("HTTP/1.1 200 OK\r\n\r\n")), fault.HandshakeTimeout, ""},
		"unknown kind":             {"ftp://ana:wr0ng@127.0.0.1:1", fault.BadProfile, "ftp"},
		"no port":                  {"socks5://ana:wr0ng@localhost", fault.BadProfile, "want"},
		"no URL":                   {"http://ana:wr0ng@local host:1", fault.BadProfile, "want"},
	} {
		t.Run(what, func(t *testing.T) {
			tg := sshdTarget(t, d)
			tg.Proxy, tg.ConnectTimeout = test.proxy, time.Second
			l, r := serve(t, tg)
			err := failure(t, l)
			if fault.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v, want %s with %q", err, test.code, test.text)
			}
			for _, secret := range []string{"s3cret", "wr0ng", basic} {
				if strings.Contains(err.Error()+r.text(), secret) {
					t.Errorf("the password is told: %v\n%s", err, r.text())
				}
			}
		})
	}
}

// text is everything that the events say.
func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		b.WriteString(e.Message + " " + e.Detail + "\n")
		if e.Err != nil {
			b.WriteString(e.Err.Error() + "\n")
		}
	}
	return b.String()
}
