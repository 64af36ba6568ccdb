package trigger

import (
	"slices"
	"sync"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 20 * time.Second

// clock is a time that passes when a test says so.
type clock struct {
	mu     sync.Mutex
	wall   time.Time
	awake  time.Duration
	timers []timer
}

type timer struct {
	after, at time.Duration // awake
	c         chan time.Time
}

func newClock() *clock { return &clock{wall: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clock) Awake() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awake
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{d, c.awake + d, make(chan time.Time, 1)}
	c.timers = append(c.timers, t)
	return t.c
}

// pass lets the machine run for d.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.awake = c.wall.Add(d), c.awake+d
	var later []timer
	for _, t := range c.timers {
		if t.at > c.awake {
			later = append(later, t)
			continue
		}
		t.c <- c.wall
	}
	c.timers = later
}

// set moves the wall clock alone: sleep, or somebody sets it.
func (c *clock) set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// looked waits until the watcher has looked at the clocks, and waits for the next time.
func (c *clock) looked(t *testing.T) {
	t.Helper()
	sshtest.Eventually(t, patience, "a look at the clocks", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.timers, func(t timer) bool { return t.after == lookAtClocks })
	})
}

// serve runs a watcher until the test ends, and returns its events.
func serve(t *testing.T, w *Watcher) <-chan Event {
	t.Helper()
	events := make(chan Event, 1000)
	w.Happened = func(e Event) { events <- e }
	sshtest.Run(t, w)
	return events
}

// next returns the next event, while step is done again and again.
func next(t *testing.T, events <-chan Event, step func()) Event {
	t.Helper()
	var e Event
	sshtest.Eventually(t, patience, "an event", func() bool {
		if step != nil {
			step()
		}
		select {
		case e = <-events:
			return true
		default:
			return false
		}
	})
	return e
}

// A machine that sleeps is told to have woken, once for each sleep; a wall clock
// that is set back, or corrected a little, wakes nobody.
func TestClocksTellOfSleep(t *testing.T) {
	sshtest.Leaks(t)
	c := newClock()
	events := serve(t, &Watcher{Now: c.Now, Awake: c.Awake, After: c.After, Bus: "unix:path=/nowhere"})
	second := func() { c.pass(time.Second) }
	c.looked(t)
	c.set(-48 * time.Hour)
	for range 20 {
		c.pass(lookAtClocks)
		c.looked(t)
		c.set(time.Second)
	}
	c.set(time.Hour)
	if e := next(t, events, second); !e.Woke || e.Slept.Round(time.Minute) != time.Hour || len(e.Came)+len(e.Went) > 0 {
		t.Errorf("%+v, want a wake after an hour", e)
	}
	c.set(8 * time.Hour)
	if e := next(t, events, second); !e.Woke || e.Slept.Round(time.Minute) != 8*time.Hour {
		t.Errorf("%+v, want a wake after eight hours", e)
	}
	if len(events) > 0 {
		t.Errorf("and also %+v", <-events)
	}
}

// Who runs the watcher may hear of a wake, too; what the clocks told is known.
func TestAnotherTellsOfWake(t *testing.T) {
	sshtest.Leaks(t)
	c, woken := newClock(), make(chan struct{})
	events := serve(t, &Watcher{Now: c.Now, Awake: c.Awake, After: c.After, Bus: "unix:path=/nowhere", Woken: woken})
	second := func() { c.pass(time.Second) }
	c.looked(t)
	woken <- struct{}{}
	if e := next(t, events, second); !e.Woke || e.Slept != 0 {
		t.Errorf("%+v, want a wake without a time", e)
	}
	woken <- struct{}{}
	c.set(time.Hour)
	woken <- struct{}{}
	if e := next(t, events, second); !e.Woke || e.Slept.Round(time.Minute) != time.Hour {
		t.Errorf("%+v, want a wake after an hour", e)
	}
}

func TestSleepIsTheDifferenceOfTheClocks(t *testing.T) {
	c := newClock()
	for _, test := range []struct{ wall, awake, want time.Duration }{
		{time.Hour, time.Second, time.Hour - time.Second},
		{5 * time.Second, 5 * time.Second, 0},
		{6 * time.Second, 5 * time.Second, 0}, // a correction
		{10 * time.Second, 5 * time.Second, 5 * time.Second},
		{-1000 * time.Hour, 5 * time.Second, 0},
		{1<<62 - 1, 0, 1<<62 - 1},
		{0, 0, 0},
	} {
		s := sleep{wall: c.wall, awake: time.Minute, first: true}
		if got := s.look(c.wall.Add(test.wall), time.Minute+test.awake); got != test.want {
			t.Errorf("%+v: slept %s", test, got)
		}
		if again := s.look(c.wall.Add(test.wall), time.Minute+test.awake); again != 0 {
			t.Errorf("%+v: slept again, %s", test, again)
		}
	}
}

// The real clocks run alike.
func TestAwakeIsAClock(t *testing.T) {
	before := awake()
	time.Sleep(time.Millisecond)
	if got := awake() - before; got < time.Millisecond {
		t.Errorf("%s passed in a millisecond", got)
	}
}
