package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

func marshalKey(k ssh.PublicKey) []byte { return ssh.MarshalAuthorizedKey(k) }

// 64 MiB each way through a local and a remote forward arrive whole while a
// third connection is slow, and a reply after the end of the request does too.
func TestBytesArriveWhole(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	d := sshtest.StartSSHD(t)
	sink, source, slow := sshtest.Sink(t), sshtest.Source(t, size), sshtest.Source(t, 1<<30)
	reply := sshtest.Script(t, func(c net.Conn) {
		io.Copy(io.Discard, c)
		io.Copy(c, sshtest.Pattern(1<<20))
	})
	addr := map[string]string{}
	text := server(d)
	for name, target := range map[string]string{"sink": sink.Addr, "source": source.Addr, "slow": slow.Addr, "reply": reply.Addr} {
		addr["local-"+name], addr["remote-"+name] = freeAddr(t), freeAddr(t)
		text += localForward("local-"+name, addr["local-"+name], target)
		text += remoteForward("remote-"+name, addr["remote-"+name], target)
	}
	p := startDaemon(t, map[string]string{"work": text})
	for name := range addr {
		p.forward(0, "work", name, "listening")
	}
	// Nobody reads from these two: their windows fill, and stay full.
	for _, way := range []string{"local", "remote"} {
		ping := dialTCP(t, addr[way+"-slow"])
		io.ReadFull(ping, make([]byte, 1))
	}
	want := sshtest.Digest(sshtest.Pattern(size))
	var work sync.WaitGroup
	defer work.Wait()
	for _, way := range []string{"local", "remote"} {
		work.Go(func() {
			up := dialTCP(t, addr[way+"-sink"])
			io.Copy(up, sshtest.Pattern(size))
			up.CloseWrite()
			if got, err := io.ReadAll(up); string(got) != want || err != nil {
				t.Errorf("%s, up: %s, %v", way, got, err)
			}
		})
		work.Go(func() {
			if got := sshtest.Digest(dialTCP(t, addr[way+"-source"])); got != want {
				t.Errorf("%s, down: %s", way, got)
			}
		})
		work.Go(func() {
			c := dialTCP(t, addr[way+"-reply"])
			io.Copy(c, sshtest.Pattern(1<<20))
			c.CloseWrite()
			if got, want := sshtest.Digest(c), sshtest.Digest(sshtest.Pattern(1<<20)); got != want {
				t.Errorf("%s, reply after half-close: %s", way, got)
			}
		})
	}
}

// The server's process for the connection is killed ten times: the local port
// stays, a connection opened in the gap completes, both forwards come back, and
// the daemon holds no more descriptors than before.
func TestKilledTenTimes(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local, remote := freeAddr(t), freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr) + remoteForward("hook", remote, echo.Addr)})
	p.forward(0, "work", "hook", "listening")
	through := func(addr, word string) {
		t.Helper()
		c := dialTCP(t, addr)
		ping(t, c, word)
		c.Close()
	}
	through(local, "hello")
	through(remote, "hello")
	idle := func() bool { return echo.Active() == 0 }
	sshtest.Eventually(t, patience, "idle", idle)
	before := p.descriptors()
	for n := range 10 {
		mark := p.mark()
		d.KillConnections()
		through(local, fmt.Sprint("in the gap ", n))
		p.forward(mark, "work", "hook", "listening")
		through(remote, fmt.Sprint("after ", n))
	}
	sshtest.Eventually(t, patience, "no more descriptors than before", func() bool { return p.descriptors() <= before })
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// Another process has the remote port: the other forwards work, and it comes up
// by itself once the port is free.
func TestRemotePortBusy(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	local, free := freeAddr(t), freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr) +
		remoteForward("busy", taken.Addr().String(), echo.Addr) + remoteForward("free", free, echo.Addr)})
	e := p.coded(0, "work", fault.RemotePortBusy)
	if e.Forward != "busy" || e.Hint == "" {
		t.Errorf("event %+v", e)
	}
	p.forward(0, "work", "free", "listening")
	open := dialTCP(t, local)
	ping(t, open, "one")
	ping(t, dialTCP(t, free), "two")
	mark := p.mark()
	taken.Close()
	p.forward(mark, "work", "busy", "listening")
	ping(t, dialTCP(t, taken.Addr().String()), "three")
	ping(t, open, "the link was never down")
}

// The server picks the port where the profile says 0, and the event names it.
func TestServerPicksPort(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	p := startDaemon(t, map[string]string{"work": server(d) + remoteForward("any", "127.0.0.1:0", echo.Addr)})
	e := p.forward(0, "work", "any", "listening")
	ping(t, dialTCP(t, e.Detail), "hello")
}

// A bare port is localhost: here on both families, and the server gets the word.
func TestBarePortIsLocalhost(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	_, port, _ := net.SplitHostPort(freeAddr(t))
	p := startDaemon(t, map[string]string{"work": server(d) + fmt.Sprintf("[[forward.local]]\nlisten = %s\ntarget = %q\n", port, echo.Addr)})
	p.forward(0, "work", "local-"+port, "listening")
	ping(t, dialTCP(t, "127.0.0.1:"+port), "four")
	ping(t, dialTCP(t, "[::1]:"+port), "six")
}

// A local port in use is one forward's problem, and mends itself.
func TestListenInUse(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", taken.Addr().String(), echo.Addr) +
		localForward("other", freeAddr(t), echo.Addr)})
	p.coded(0, "work", fault.ListenInUse)
	p.forward(0, "work", "other", "listening")
	taken.Close()
	p.forward(0, "work", "db", "listening")
	ping(t, dialTCP(t, taken.Addr().String()), "hello")
}

// SIGTERM stops listening at once and lets an open stream finish.
func TestDrain(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	release := make(chan struct{})
	slow := sshtest.Script(t, func(c net.Conn) {
		io.WriteString(c, "begin ")
		<-release
		io.WriteString(c, "end")
	})
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, slow.Addr)})
	p.forward(0, "work", "db", "listening")
	c := dialTCP(t, local)
	io.ReadFull(c, make([]byte, len("begin ")))
	over := make(chan error, 1)
	go func() { over <- p.stop() }()
	p.forward(0, "work", "db", "stopped")
	if late, err := net.DialTimeout("tcp", local, time.Second); err == nil {
		late.Close()
		t.Error("it still listens")
	}
	close(release)
	if got, err := io.ReadAll(c); string(got) != "end" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if err := <-over; err != nil {
		t.Errorf("exit: %v", err)
	}
}

// A stream that never ends is cut after 5 s, and the program ends.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr)})
	p.forward(0, "work", "db", "listening")
	c := dialTCP(t, local)
	ping(t, c, "hello")
	start := time.Now()
	if err := p.stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if took := time.Since(start); took < 4*time.Second {
		t.Errorf("the open stream had only %s", took)
	}
}

// max_connections is a limit, and the profile's other connections live on.
func TestMaxConnections(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr) + "max_connections = 1\n"})
	p.forward(0, "work", "db", "listening")
	first := dialTCP(t, local)
	ping(t, first, "one")
	if second, err := net.Dial("tcp", local); err == nil { // it may be reset before connect returns
		defer second.Close()
		if err := tryPing(second, "two"); err == nil {
			t.Error("a second connection works")
		}
	}
	ping(t, first, "still")
}
