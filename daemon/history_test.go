package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// keeper is a history with small limits that runs.
type keeper struct {
	*history
	told *events
	end  func() error // returns when everything is over
}

// keep runs a history over dir until the test ends.
func keep(t *testing.T, dir string, limit int64) *keeper {
	t.Helper()
	k := &keeper{told: &events{}}
	k.history = newHistory(dir, func(e control.Event) {
		e.Time = time.Now()
		k.told.add(e)
		k.history.add(e)
	})
	k.files.Limit, k.retry = limit, 5*time.Millisecond
	if err := k.recall(); err != nil {
		t.Fatal(err)
	}
	k.run(t)
	return k
}

func (k *keeper) run(t *testing.T) {
	k.end = sshtest.Run(t, k)
}

func info(n int) control.Event {
	return control.Event{Time: time.Unix(int64(n), 0).UTC(), Level: control.Info, Kind: "daemon", Message: fmt.Sprintf("event %d", n)}
}

// all returns what the history has now.
func (h *history) all(t *testing.T, since time.Time) (messages []string) {
	t.Helper()
	if err := h.tell(t.Context(), control.EventOptions{Since: since}, func(e control.Event) { messages = append(messages, e.Message) }); err != nil {
		t.Fatal(err)
	}
	return messages
}

// kept returns what the files have.
func kept(t *testing.T, dir string) (messages []string) {
	t.Helper()
	if err := KeptEvents(dir, func(e control.Event) { messages = append(messages, e.Message) }); err != nil {
		t.Fatal(err)
	}
	return messages
}

// What was told before a restart is there after it, in the order in which it
// happened, although the clock was set back; debug is not kept.
func TestHistoryOverRestarts(t *testing.T) {
	sshtest.Leaks(t)
	dir := filepath.Join(t.TempDir(), "state")
	k := keep(t, dir, 1<<20)
	var want []string
	for _, n := range []int{100, 200, 50, 60} {
		k.add(info(n))
		debug := info(n)
		debug.Level = control.Debug
		k.add(debug)
		want = append(want, info(n).Message)
	}
	if err := k.end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := kept(t, dir); !slices.Equal(got, want) {
		t.Errorf("on disk %q, want %q", got, want)
	}
	if stat, err := os.Stat(filepath.Join(dir, eventsFile)); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", stat.Mode(), err)
	}
	k = keep(t, dir, 1<<20)
	k.add(info(70))
	if got := k.all(t, time.Time{}); !slices.Equal(got, append(want, "event 70")) {
		t.Errorf("in memory %q, want %q", got, want)
	}
	if got := k.all(t, time.Unix(60, 0)); !slices.Equal(got, []string{"event 100", "event 200", "event 60", "event 70"}) {
		t.Errorf("since 60: %q", got)
	}
	k.end()
	if got := kept(t, dir); !slices.Equal(got, append(want, "event 70")) {
		t.Errorf("on disk %q: something was written twice, or not", got)
	}
}

// Both files together stay within their bound, at every moment, and have the
// latest events without a gap.
func TestHistoryIsRotated(t *testing.T) {
	const limit = 4 << 10
	dir := t.TempDir()
	f := newEventFiles(dir, limit)
	defer f.Close()
	for n := range 1000 {
		e := info(n)
		e.Detail = strings.Repeat("x", n%500)
		if err := f.write(e); err != nil {
			t.Fatal(err)
		}
		var size int64
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 2 {
			t.Fatalf("%v, %v", entries, err)
		}
		for _, entry := range entries {
			info, _ := entry.Info()
			size += info.Size()
		}
		if size > 2*limit {
			t.Fatalf("%d bytes after %d events", size, n)
		}
	}
	got := kept(t, dir)
	for i, message := range got {
		if want := info(1000 - len(got) + i).Message; message != want {
			t.Fatalf("%s where %s should be", message, want)
		}
	}
	if len(got) < 10 || diskBytes != 10<<20 {
		t.Errorf("%d events are left", len(got))
	}
}

// Whoever reads slowly, while the files move on, misses nothing of what was there
// when it began.
func TestHistoryIsRotatedUnderAReader(t *testing.T) {
	f := newEventFiles(t.TempDir(), 4<<10)
	defer f.Close()
	write := func(n int) {
		if err := f.write(info(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		write(n)
	}
	before := kept(t, filepath.Dir(f.Path))
	var got []string
	next := 100
	if err := f.readTail(math.MaxInt64, func(e control.Event) bool {
		got = append(got, e.Message)
		for end := next + 5; next < end && next < 200; next++ {
			write(next)
		}
		return len(got) < len(before)
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, before) {
		t.Errorf("read %q, want %q", got, before)
	}
}

// What memory has no place for is told out of the files, once each, before and
// after a restart.
func TestHistoryReachesIntoTheFiles(t *testing.T) {
	dir := t.TempDir()
	k := keep(t, dir, 1<<20)
	k.ring.limit = 10 * cost(info(1000))
	var want []string
	for n := range 100 {
		k.add(info(1000 + n))
		want = append(want, info(1000+n).Message)
		sshtest.Eventually(t, patience, "written", func() bool { return len(kept(t, dir)) == n+1 })
	}
	check := func() {
		t.Helper()
		for since := range 100 {
			if got := k.all(t, time.Unix(1000+int64(since), 0)); !slices.Equal(got, want[since:]) {
				t.Fatalf("since %d: %q", since, got)
			}
		}
	}
	check()
	if oldest, end := k.ring.bounds(); end-oldest > 10 {
		t.Errorf("%d events in memory", end-oldest)
	}
	k.end()
	k = &keeper{history: newHistory(dir, nil)}
	k.ring.limit = 10 * cost(info(1000))
	if err := k.recall(); err != nil {
		t.Fatal(err)
	}
	check()
}

// Whoever reads the files while events go on has each once, without a gap: what
// memory drops meanwhile comes out of the files, and then what happens.
func TestHistoryGoesOnUnderAReader(t *testing.T) {
	sshtest.Leaks(t)
	dir := t.TempDir()
	k := keep(t, dir, 1<<20)
	k.ring.limit = 10 * cost(info(1000))
	last := 999
	more := func() {
		last++
		k.add(info(last))
		sshtest.Eventually(t, patience, "written", func() bool { return slices.Contains(kept(t, dir), info(last).Message) })
	}
	for range 40 {
		more()
	}
	for _, follow := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		var got, want []string
		now, end := last, last+21
		err := k.tell(ctx, control.EventOptions{Follow: follow}, func(e control.Event) {
			got = append(got, e.Message)
			if last < end {
				more()
			}
			if e.Message == info(end).Message {
				cancel()
			}
		})
		if follow {
			now = end
		}
		for n := range max(len(got), now-1000+1) { // what has happened by then, at least
			want = append(want, info(1000+n).Message)
		}
		if !slices.Equal(got, want) {
			t.Errorf("follow %v: got %q, %v", follow, got, err)
		}
		cancel()
	}
}

// A line that a crash cut off is left out, and spoils no other.
func TestHistoryAfterACrash(t *testing.T) {
	dir := t.TempDir()
	whole, _ := json.Marshal(info(1))
	torn := append(append(whole, '\n'), whole[:len(whole)/2]...)
	if err := os.WriteFile(filepath.Join(dir, eventsFile), torn, 0o600); err != nil {
		t.Fatal(err)
	}
	k := keep(t, dir, 1<<20)
	k.add(info(2))
	k.end()
	if got := kept(t, dir); !slices.Equal(got, []string{"event 1", "event 2"}) {
		t.Errorf("got %q", got)
	}
}

// A folder that cannot be written is told once, and once when it can; the
// events from between are written then.
func TestHistoryOnAFailingDisk(t *testing.T) {
	sshtest.Leaks(t)
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	k := &keeper{told: &events{}}
	k.history = newHistory(dir, func(e control.Event) { e.Time = time.Now(); k.told.add(e); k.history.add(e) })
	k.retry = time.Millisecond
	k.run(t)
	k.add(info(1))
	k.told.await(t, "events cannot be written")
	for n := 2; n < 10; n++ {
		k.add(info(n))
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	k.told.await(t, "events are written again")
	k.end()
	got := kept(t, dir)
	want := []string{"event 1", "events cannot be written", "event 2", "event 3", "event 4", "event 5", "event 6", "event 7", "event 8", "event 9", "events are written again"}
	if !slices.Equal(got, want) {
		t.Errorf("on disk %q", got)
	}
	if len(k.told.all) != 2 {
		t.Errorf("told %+v", k.told.all)
	}
}

// await waits for a message.
func (e *events) await(t *testing.T, message string) {
	t.Helper()
	sshtest.Eventually(t, patience, message, func() bool {
		return e.has(func(e control.Event) bool { return e.Message == message })
	})
}

// A disk that fails for too long costs the oldest events, and how many is told
// and written.
func TestHistoryCountsWhatIsLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := &keeper{told: &events{}}
	k.history = newHistory(dir, func(e control.Event) { e.Time = time.Now(); k.told.add(e); k.history.add(e) })
	k.retry, k.ring.limit = time.Millisecond, 20*cost(info(100))
	k.run(t)
	k.add(info(0))
	k.told.await(t, "events cannot be written")
	for n := 100; n < 150; n++ {
		k.add(info(n))
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	k.told.await(t, "events lost")
	k.end()
	got := kept(t, dir)
	if len(got) < 20 || got[0] != "event 0" || !slices.Contains(got, "event 149") || !slices.Contains(got, "events lost") || slices.Contains(got, "event 120") {
		t.Errorf("on disk %q", got)
	}
}

// Who follows sees what happens while it happens, and the last of it when the
// history ends.
func TestFollow(t *testing.T) {
	sshtest.Leaks(t)
	k := keep(t, "", 0)
	k.add(info(1))
	seen, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- k.tell(context.Background(), control.EventOptions{Since: time.Unix(2, 0), Follow: true}, func(e control.Event) { seen <- e.Message })
	}()
	k.add(info(3))
	for _, want := range []int{3, 2, 1} { // the clock goes back: what happens now is told whatever it says
		if want != 3 {
			k.add(info(want))
		}
		select {
		case got := <-seen:
			if got != info(want).Message {
				t.Errorf("got %s, want %d", got, want)
			}
		case <-time.After(patience):
			t.Fatal("nothing comes")
		}
	}
	k.end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Who is too slow is told how much was missed, and goes on with the oldest that
// there is.
func TestSlowFollowerMissesEvents(t *testing.T) {
	k := newHistory("", nil)
	k.ring.limit = 10 * cost(info(1000))
	ctx, cancel := context.WithCancel(t.Context())
	k.add(info(1000))
	var got []string
	err := k.tell(ctx, control.EventOptions{Follow: true}, func(e control.Event) {
		got = append(got, strings.TrimSpace(e.Message+" "+e.Detail))
		if len(got) == 1 {
			for n := 1001; n <= 1100; n++ {
				k.add(info(n))
			}
			cancel()
		}
	})
	want := []string{"event 1000", "events missed 90"}
	for n := 1091; n <= 1100; n++ {
		want = append(want, info(n).Message)
	}
	if !slices.Equal(got, want) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The memory that events take is bounded, whatever is in them.
func TestRingIsBounded(t *testing.T) {
	h := newHistory("", nil)
	for n := range 20_000 {
		e := info(n)
		e.Detail = strings.Repeat("é", n%20_000)
		h.add(e)
	}
	size := 0
	for _, e := range h.ring.events {
		size += cost(e)
	}
	if size != h.ring.size || size > memoryBytes || cap(h.ring.events) > 2*memoryBytes/eventOverhead {
		t.Errorf("%d bytes, %d counted, %d places", size, h.ring.size, cap(h.ring.events))
	}
}
