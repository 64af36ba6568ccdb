package link_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// helper, in the environment, makes the test binary a proxy command.
const helper = "LINK_TEST_HELPER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(helper); kind != "" {
		os.Exit(proxyCommand(kind, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// proxyCommand is a proxy command that connects, or fails in some way.
func proxyCommand(kind string, args []string) int {
	switch kind {
	case "fails":
		fmt.Fprintf(os.Stderr, "\x1b[31mno way to %s\nand more\n", strings.Join(args, " "))
		return 3
	case "hangs":
		io.Copy(io.Discard, os.Stdin)
		select {}
	}
	c, err := net.Dial("tcp", net.JoinHostPort(args[0], args[1]))
	if err != nil {
		return 1
	}
	go func() {
		io.Copy(c, os.Stdin)
		c.Close()
	}()
	io.Copy(os.Stdout, c)
	return 0
}

// environ is our environment and more.
func environ(more ...string) func() []string {
	return func() []string { return append(os.Environ(), more...) }
}

func commandTarget(t *testing.T, d *sshtest.SSHD, kind string) link.Target {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tg := sshdTarget(t, d)
	tg.Proxy = fmt.Sprintf(`command:"%s" %%h %%p 100%%%%`, self)
	tg.Environ = environ(helper+"="+kind, "GORACE=atexit_sleep_ms=0")
	return tg
}

func TestProxyCommand(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _ := serve(t, commandTarget(t, d, "connects"))
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo(t, c, "hello")
	if p := l.Status().Peer; p.Address != d.Addr {
		t.Errorf("peer %s", p.Address)
	}
	d.KillConnections()
	sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects == 1 })
	if err := l.Status().LastDown.Err; fault.CodeOf(err) != fault.ProxyFailed || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("lost because of %v", err)
	}
}

func TestProxyCommandOfSSH(t *testing.T) {
	sshtest.Leaks(t)
	hop, d := sshtest.StartSSHD(t), sshtest.StartSSHD(t)
	tg := sshdTarget(t, d)
	tg.Proxy = fmt.Sprintf("command:ssh -F none -o BatchMode=yes -o 'UserKnownHostsFile=%s' -i '%s' -p %d -W %%h:%%p %s@%s",
		hop.KnownHosts, hop.ClientKey, hop.Port, hop.User, hop.Host)
	tg.Environ = os.Environ
	l, _ := serve(t, tg)
	await(t, l, link.Up)
	hop.KillConnections()
	sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects == 1 })
	if err := l.Status().LastDown.Err; fault.CodeOf(err) != fault.ProxyFailed || !strings.Contains(err.Error(), "closed") {
		t.Errorf("lost because of %v", err)
	}
}

func TestBadProxyCommands(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	with := func(proxy string) link.Target {
		tg := sshdTarget(t, d)
		tg.Proxy = proxy
		return tg
	}
	hangs := commandTarget(t, d, "hangs")
	hangs.ConnectTimeout = 500 * time.Millisecond
	for what, test := range map[string]struct {
		target link.Target
		code   fault.Code
		text   string
	}{
		"fails":   {commandTarget(t, d, "fails"), fault.ProxyFailed, fmt.Sprintf("[31mno way to 127.0.0.1 %d 100%% (exit status 3)", d.Port)},
		"hangs":   {hangs, fault.HandshakeTimeout, ""},
		"missing": {with("command:no-such-program %h"), fault.ProxyFailed, "no-such-program"},
		"empty":   {with("command:"), fault.ProxyFailed, "no program"},
		"quote":   {with("command:a 'b"), fault.ProxyFailed, "quote"},
	} {
		t.Run(what, func(t *testing.T) {
			l, _ := serve(t, test.target)
			err := failure(t, l)
			if fault.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v, want %s with %q", err, test.code, test.text)
			}
		})
	}
}

// A host that would be run where the command brings a shell starts nothing.
func TestProxyCommandHostIsAWord(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	for _, host := range []string{"x;touch${IFS}$MARK", "$(touch $MARK)", "`touch $MARK`", "-oProxyCommand=x", "x y", ""} {
		mark := filepath.Join(t.TempDir(), "mark")
		tg := target(t, "127.0.0.1:22", "ana", key, sshtest.KnownHosts(t, "127.0.0.1:22"))
		tg.Host = host
		tg.Proxy = "command:sh -c 'true %h %p'"
		tg.Environ = environ("MARK=" + mark)
		l, _ := serve(t, tg)
		if err := failure(t, l); fault.CodeOf(err) != fault.ProxyFailed || !strings.Contains(err.Error(), "is not a host") {
			t.Errorf("%q: %v", host, err)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("%q was run", host)
		}
	}
}

// What a command starts ends with the connection, also where the command itself
// has ended before.
func TestProxyCommandLeavesNothing(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	for what, script := range map[string]string{
		"waits": "sleep 1000 & echo $! >$0; wait",
		"ends":  "sleep 1000 >/dev/null 2>&1 & echo $! >$0",
	} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			tg := sshdTarget(t, d)
			tg.Proxy = fmt.Sprintf("command:/bin/sh -c '%s' '%s'", script, file)
			tg.Environ = os.Environ
			tg.ConnectTimeout = time.Second
			tg.Backoff = link.Backoff{Min: patience, Max: patience}
			l, _ := serve(t, tg)
			await(t, l, link.Waiting)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			sshtest.Eventually(t, patience, "the end of what it left behind", func() bool { return !runs(pid) })
		})
	}
}
