package profiles

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchOptions say how a folder is watched. A time of zero has its default.
type WatchOptions struct {
	Quiet time.Duration // nothing happens for this long before a change is told; 100 ms
	Most  time.Duration // a change is told after this long however much happens; 1 s
	Poll  time.Duration // how often the files are looked at without being told; 10 s
	// Trouble, if not nil, hears once that the system tells of no changes, or
	// not of all: then they are noticed by looking alone.
	Trouble func(error)
}

// Watch calls changed whenever what Load reads of the configuration folder dir
// may be different, until ctx ends. The first call comes as soon as it
// watches, since something may have been saved before. A call may turn out to
// be for nothing. changed must not block.
//
// It does not matter how a file is saved: in place, in several steps or by a
// rename, with links in between, as Kubernetes mounts its volumes, in folders
// that are not there yet or come anew. The system's events only say when to
// look; where there are none, the files are looked at every Poll.
func Watch(ctx context.Context, dir string, o WatchOptions, changed func()) {
	w := newWatch(dir, o)
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.complain(err)
	} else {
		w.notify, w.events, w.errors = notify, notify.Events, notify.Errors
		defer w.close()
	}
	w.serve(ctx, changed)
}

// watch is one run of Watch.
type watch struct {
	dir     string
	poll    time.Duration
	notify  *fsnotify.Watcher     // nil where there are no events
	events  <-chan fsnotify.Event // likewise
	errors  <-chan error          // likewise
	trouble func(error)           // nil when it has been called
	here    view                  // of the last look
	seen    view                  // before the last call of changed
	written bool                  // an event named a file that is read
	burst   burst
}

func newWatch(dir string, o WatchOptions) *watch {
	return &watch{
		dir: dir, trouble: o.Trouble, poll: cmp.Or(o.Poll, 10*time.Second),
		burst: burst{quiet: cmp.Or(o.Quiet, 100*time.Millisecond), most: cmp.Or(o.Most, time.Second)},
	}
}

func (w *watch) serve(ctx context.Context, changed func()) {
	w.settle()
	changed()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.events:
			w.hear(e)
		case err := <-w.errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) { // some were lost, but more will come
				w.complain(err)
			}
			w.written = true
			w.burst.add(time.Now())
		case <-poll.C:
			if w.look(); !w.here.equal(w.seen) {
				w.burst.add(time.Now())
			}
		case <-w.burst.over():
			if w.settle() {
				changed()
			}
		}
	}
}

// hear takes an event, unless it is about a stranger in a folder that is
// watched for something else.
func (w *watch) hear(e fsnotify.Event) {
	if !w.here.concerns(e.Name) {
		return
	}
	// The time of a file may be too coarse to show a second save.
	w.written = w.written || (e.Op != fsnotify.Chmod && w.here.reads(e.Name))
	w.burst.add(time.Now())
}

// settle ends a burst and reports whether there is something to tell. What is
// saved after this look is a change of its own.
func (w *watch) settle() bool {
	w.look()
	different := w.written || !w.here.equal(w.seen)
	w.seen, w.written = w.here, false
	w.burst.end()
	return different
}

// look sees what is here now, and watches the folders that matter.
func (w *watch) look() {
	const tries = 10 // against folders that come and go as fast as we look
	w.here = see(w.dir)
	for range tries {
		if !w.follow(w.here) {
			return
		}
		w.here = see(w.dir) // something may have come before its folder was watched
	}
}

// follow watches the folders of v and no others. It reports whether one is new.
func (w *watch) follow(v view) (news bool) {
	if w.notify == nil {
		return false
	}
	before := map[string]bool{}
	for _, folder := range w.notify.WatchList() {
		before[folder] = true
		if _, wanted := v.folders[folder]; !wanted {
			_ = w.notify.Remove(folder) // it may be gone already
		}
	}
	for folder := range v.folders {
		// Again and again: another folder may have its name by now.
		err := w.notify.Add(folder)
		if err != nil && !isMissing(err) {
			w.complain(err)
		}
		news = news || (err == nil && !before[folder])
	}
	return news
}

func (w *watch) complain(err error) {
	if w.trouble != nil {
		w.trouble(err)
		w.trouble = nil
	}
}

// close returns when fsnotify's goroutine is over.
func (w *watch) close() {
	_ = w.notify.Close()
	for range w.notify.Events {
	}
}

// burst gathers events that come close together, such as the steps of one save.
type burst struct {
	quiet, most time.Duration
	first       time.Time // of the burst; zero between bursts
	timer       *time.Timer
}

// add takes an event into the burst.
func (b *burst) add(now time.Time) {
	if b.first.IsZero() {
		b.first = now
		b.timer = time.NewTimer(b.wait(now))
		return
	}
	b.timer.Reset(b.wait(now))
}

// wait returns how long after now the burst is over if nothing more comes.
func (b *burst) wait(now time.Time) time.Duration {
	return min(b.quiet, b.most-now.Sub(b.first))
}

// over is ready when the burst is; between bursts it never is.
func (b *burst) over() <-chan time.Time {
	if b.timer == nil {
		return nil
	}
	return b.timer.C
}

func (b *burst) end() {
	b.first, b.timer = time.Time{}, nil
}
