//go:build system

package install_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// clients come every 10 ms, each on its own.
type clients struct {
	visit func() error
	stop  chan struct{}
	work  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	served  int
	failed  []error
	longest time.Duration
}

// startClients has clients say hello through the forward.
func (m *machine) startClients() *clients {
	return start(func() error { return m.ping(here) })
}

func start(visit func() error) *clients {
	c := &clients{visit: visit, stop: make(chan struct{})}
	c.work.Go(c.connect)
	return c
}

func (c *clients) connect() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			c.work.Go(c.one)
		}
	}
}

func (c *clients) one() {
	began := time.Now()
	err := c.visit()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed = append(c.failed, fmt.Errorf("after %v: %w", time.Since(began), err))
		return
	}
	c.served++
	c.longest = max(c.longest, time.Since(began))
}

// end waits for the last client.
func (c *clients) end() {
	close(c.stop)
	c.work.Wait()
}

// wantAllServed ends the clients, none of which may have failed.
func (c *clients) wantAllServed(t *testing.T, what string) {
	t.Helper()
	c.end()
	if len(c.failed) > 0 || c.served == 0 {
		t.Errorf("%s: %d clients failed and %d did not: %v", what, len(c.failed), c.served, c.failed[:min(1, len(c.failed))])
	}
	t.Logf("%s: %d clients served, the longest wait was %v", what, c.served, c.longest)
}

// Where else a restart refuses nobody.
const (
	socketFile = "/run/tunneld/db.sock"
	metrics    = "127.0.0.1:9000"
)

// A restart refuses nobody: who connects meanwhile waits for the next process.
func TestRestartRefusesNobody(t *testing.T) {
	m := boot(t)
	m.put("/etc/tunneld/daemon.toml", []byte("metrics = '"+metrics+"'\n"), 0o644)
	m.serve("[[forward.local]]\nlisten = 'unix:" + socketFile + "'\ntarget = '" + echoAddr + "'\n")
	again := "install -m 755 /usr/local/bin/tunneld /usr/local/bin/tunneld.new; mv /usr/local/bin/tunneld.new /usr/local/bin/tunneld; "
	for _, restart := range []string{"systemctl restart tunneld", "tunneld service restart", again + "systemctl try-restart tunneld"} {
		port := m.startClients()
		file := start(func() error { return m.pingFile(socketFile) })
		scraper := start(func() error { return m.connect(metrics) })
		m.sh("sleep 0.5; " + restart + "; sleep 0.5")
		port.wantAllServed(t, restart+": port")
		file.wantAllServed(t, restart+": socket file")
		scraper.wantAllServed(t, restart+": metrics")
	}
	t.Run("open connection", m.testRestartWithOpenConnection)
	t.Run("killed", m.testKilledRefusesNobody)
	t.Run("edit", m.testEditFreesThePort)
}

// A connection that stays open holds the restart up for the drain time, and the
// others no longer than that.
func (m *machine) testRestartWithOpenConnection(t *testing.T) {
	m.step(t)
	open, err := m.dial(here)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := pingOn(open); err != nil {
		t.Fatal(err)
	}
	c := m.startClients()
	m.sh("systemctl restart tunneld")
	c.wantAllServed(t, "with an open connection")
}

// A process that is killed cuts its connections, but the port stays.
func (m *machine) testKilledRefusesNobody(t *testing.T) {
	m.step(t)
	old := m.pid()
	c := m.startClients()
	m.sh("kill -KILL " + old)
	m.awaitRestart(old)
	c.end()
	for _, err := range c.failed {
		if strings.Contains(err.Error(), "refused") {
			t.Errorf("refused: %v", err)
		}
	}
	if c.served == 0 {
		t.Error("nobody was served")
	}
}

// The port of a forward that is edited is free at once for its next version, and
// that of one that is removed for anybody.
func (m *machine) testEditFreesThePort(t *testing.T) {
	m.step(t)
	m.sh("rm /etc/tunneld/daemon.toml")
	m.put(profile, []byte(workProfile("/etc/tunneld/keys/work", "")), 0o644)
	const two = "systemctl show -p NFileDescriptorStore tunneld | grep -x NFileDescriptorStore=2" // 127.0.0.1 and ::1
	m.await("two sockets", two)
	m.sh("test ! -e " + socketFile)
	for range 5 {
		m.sh("tunneld restart work/db")
		m.wantPing(here)
	}
	if out := m.sh("journalctl -u tunneld TUNNELD_CODE=listen_in_use --no-pager -q"); out != "" {
		t.Errorf("the port was in use:\n%s", out)
	}
	m.put(profile, []byte(strings.ReplaceAll(workProfile("/etc/tunneld/keys/work", ""), "5432", "5433")), 0o644)
	m.wantPing("127.0.0.1:5433")
	m.await("two sockets", two)
	if err := m.ping(here); err == nil {
		t.Error("the old port still answers")
	}
}
