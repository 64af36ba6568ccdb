//go:build system

package install_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// clients connect to the forward every 10 ms, each on its own.
type clients struct {
	m    *machine
	stop chan struct{}
	work sync.WaitGroup

	mu      sync.Mutex // guards what follows
	served  int
	failed  []error
	longest time.Duration
}

func (m *machine) startClients() *clients {
	c := &clients{m: m, stop: make(chan struct{})}
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
	err := c.m.ping(here)
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

// A restart refuses nobody: who connects meanwhile waits for the next process.
func TestRestartRefusesNobody(t *testing.T) {
	m := boot(t)
	m.serve("")
	for _, restart := range []string{"systemctl restart tunneld", "tunneld service restart", "systemctl restart tunneld"} {
		c := m.startClients()
		m.sh("sleep 0.5; " + restart + "; sleep 0.5")
		c.end()
		if len(c.failed) > 0 {
			t.Errorf("%s: %d clients of %d failed, the first: %v", restart, len(c.failed), len(c.failed)+c.served, c.failed[0])
		}
		t.Logf("%s: %d clients served, the longest wait was %v", restart, c.served, c.longest)
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
	c.end()
	if len(c.failed) > 0 {
		t.Errorf("%d clients of %d failed, the first: %v", len(c.failed), len(c.failed)+c.served, c.failed[0])
	}
	t.Logf("%d clients served, the longest wait was %v", c.served, c.longest)
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
	m.sh("systemctl show -p NFileDescriptorStore tunneld | grep -x NFileDescriptorStore=2") // 127.0.0.1 and ::1
	for range 5 {
		m.sh("tunneld restart work/db")
		m.wantPing(here)
	}
	if out := m.sh("journalctl -u tunneld TUNNELD_CODE=listen_in_use --no-pager -q"); out != "" {
		t.Errorf("the port was in use:\n%s", out)
	}
	m.put(profile, []byte(strings.ReplaceAll(workProfile("/etc/tunneld/keys/work", ""), "5432", "5433")), 0o644)
	m.wantPing("127.0.0.1:5433")
	m.await("two sockets", "systemctl show -p NFileDescriptorStore tunneld | grep -x NFileDescriptorStore=2")
	if err := m.ping(here); err == nil {
		t.Error("the old port still answers")
	}
}
