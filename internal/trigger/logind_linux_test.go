package trigger

import (
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// logind tells of a wake; nobody else does; and a bus that was gone is listened
// to again.
func TestLogindTellsOfWake(t *testing.T) {
	sshtest.Leaks(t)
	b, c := sshtest.NewBus(t), newClock()
	events := serve(t, &Watcher{Now: c.Now, Awake: c.Awake, After: c.After, Bus: b.Address})
	impostor, logind := b.Login("com.example.impostor"), b.Login(sshtest.Logind)
	second := func() { c.pass(time.Second) }
	wake := func() {
		second()
		logind(false)
	}
	if e := next(t, events, wake); !e.Woke || e.Slept != 0 { // it listens
		t.Errorf("%+v, want a wake without a time", e)
	}
	c.looked(t)
	for range 10 { // and long after that
		c.pass(lookAtClocks)
		c.looked(t)
		impostor(false)
		logind(true)
	}
	c.set(3 * time.Minute)
	logind(false)
	if e := next(t, events, second); !e.Woke || e.Slept < 2*time.Minute {
		t.Errorf("%+v, want a wake after three minutes", e)
	}
	for range 10 { // slower than the clocks: known
		logind(false)
	}
	b.Stop()
	b.Start()
	logind = b.Login(sshtest.Logind)
	if e := next(t, events, wake); !e.Woke || e.Slept != 0 {
		t.Errorf("%+v, want a wake without a time", e)
	}
}
