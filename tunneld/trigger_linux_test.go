package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// networks are two machines with a cable between them: here runs the daemon,
// there is a server at 10.77.0.1.
type networks struct{ here, there *sshtest.Namespace }

func newNetworks(t *testing.T) networks {
	t.Helper()
	n := networks{sshtest.NewNamespace(t), sshtest.NewNamespace(t)}
	n.here.Cable(n.there, "eth0")
	n.there.IP("addr add 10.77.0.1/24 dev eth0")
	n.here.IP("addr add 10.77.0.2/24 dev eth0", "route add default via 10.77.0.1")
	return n
}

// server starts a server there. Its profile has times that are of no help
// within a test: only a trigger is.
func (n networks) server(t *testing.T) (d *sshtest.SSHD, profile string) {
	t.Helper()
	n.there.Do(func() { d = sshtest.StartSSHD(t, "ListenAddress 10.77.0.1") })
	profile = serverAt(d, fmt.Sprintf("10.77.0.1:%d", d.Port))
	for short, long := range map[string]string{
		`keepalive = "500ms"`: `keepalive = "10m"`, `reconnect_min = "50ms"`: `reconnect_min = "5m"`, `reconnect_max = "300ms"`: `reconnect_max = "5m"`,
	} {
		profile = strings.Replace(profile, short, long, 1)
	}
	return d, profile
}

func (n networks) echo(t *testing.T) (b *sshtest.Backend) {
	t.Helper()
	n.there.Do(func() { b = sshtest.Echo(t) })
	return b
}

func (n networks) startDaemon(t *testing.T, profiles map[string]string) (p *process) {
	t.Helper()
	n.here.Do(func() { p = startDaemon(t, profiles) })
	return p
}

func (n networks) dial(t *testing.T, addr string) (c *net.TCPConn) {
	t.Helper()
	n.here.Do(func() { c = dialTCP(t, addr) })
	return c
}

// networkChanged waits for word of it.
func (p *process) networkChanged(mark int) control.Event {
	p.t.Helper()
	return p.await(mark, "network changed", func(e control.Event) bool {
		return e.Kind == "daemon" && e.Code == fault.NetworkChanged && e.Message == "network changed"
	})
}

// The machine moves to another network: its link goes down and comes back with
// another address. The connection is replaced at once, the local port stays,
// and a client that comes meanwhile waits.
func TestMoveToAnotherNetwork(t *testing.T) {
	n := newNetworks(t)
	_, profile := n.server(t)
	echo, local := n.echo(t), freeAddr(t)
	p := n.startDaemon(t, map[string]string{"work": profile + localForward("db", local, echo.Addr) + "hold = \"1m\"\n"})
	p.link(0, "work", "up")
	ping(t, n.dial(t, local), "before")

	n.here.IP("addr del 10.77.0.2/24 dev eth0", "link set eth0 down")
	if e := p.networkChanged(0); !strings.Contains(e.Detail, "-10.77.0.2/24 eth0") || !strings.Contains(e.Detail, "-default via 10.77.0.1 eth0") {
		t.Errorf("event %+v", e)
	}
	p.coded(0, "work", fault.NetworkChanged)
	p.link(0, "work", "waiting")
	meanwhile := n.dial(t, local)
	mark := p.mark()
	n.here.IP("link set eth0 up", "addr add 10.77.0.3/24 dev eth0", "route add default via 10.77.0.1")
	ping(t, meanwhile, "from another address")
	p.networkChanged(mark)
	p.link(mark, "work", "up")
	ping(t, n.dial(t, local), "after")
}

// A change of the network is a reason to doubt every connection: one that is
// dead is replaced in seconds, and one that works is not touched.
func TestChangeOfTheNetworkFindsTheDead(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	dead, deadProfile := n.server(t)
	_, goodProfile := n.server(t)
	echo, free := n.echo(t), freeAddrs(t, 2)
	p := n.startDaemon(t, map[string]string{
		"dead": deadProfile + localForward("db", free[0], echo.Addr),
		"good": goodProfile + localForward("db", free[1], echo.Addr),
	})
	p.link(0, "dead", "up")
	p.link(0, "good", "up")
	ping(t, n.dial(t, free[0]), "before")
	open := n.dial(t, free[1])
	ping(t, open, "before")

	dead.Pause(false)
	mark, start := p.mark(), time.Now()
	n.here.IP("addr add 10.77.0.9/24 dev eth0")
	if e := p.networkChanged(mark); e.Detail != "+10.77.0.9/24 eth0" {
		t.Errorf("event %+v", e)
	}
	if e := p.coded(mark, "dead", fault.KeepaliveLost); e.Time.Sub(start) > 15*time.Second {
		t.Errorf("noticed after %s", e.Time.Sub(start))
	}
	p.link(mark, "dead", "up")
	ping(t, n.dial(t, free[0]), "after")
	ping(t, open, "after")
	if log := p.log(); strings.Contains(log, `"profile":"good","state":"waiting"`) {
		t.Errorf("the connection that works was cut:\n%s", log)
	}
}

// So is a wake from sleep, of which logind tells.
func TestWakeFindsTheDead(t *testing.T) {
	bus := sshtest.NewBus(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.Address)
	prepareForSleep := bus.Login(sshtest.Logind)
	n := newNetworks(t)
	d, profile := n.server(t)
	echo, local := n.echo(t), freeAddr(t)
	p := n.startDaemon(t, map[string]string{"work": profile + localForward("db", local, echo.Addr)})
	p.link(0, "work", "up")
	ping(t, n.dial(t, local), "before")
	d.Pause(false)
	mark := p.mark()
	sshtest.Eventually(t, patience, "a wake", func() bool {
		prepareForSleep(false) // again and again: the daemon may be on its way to the bus
		return strings.Contains(p.log(), `"message":"woke from sleep","kind":"daemon"`)
	})
	p.coded(mark, "work", fault.KeepaliveLost)
	p.link(mark, "work", "up")
	ping(t, n.dial(t, local), "after")
}
