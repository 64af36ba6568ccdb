package profiles

import "context"

// WatchBlind is Watch where the system tells of nothing.
func WatchBlind(ctx context.Context, dir string, o WatchOptions, changed func()) {
	newWatch(dir, o).serve(ctx, changed)
}

// WatchErrors is Watch where the system tells of these errors alone.
func WatchErrors(errors <-chan error) func(ctx context.Context, dir string, o WatchOptions, changed func()) {
	return func(ctx context.Context, dir string, o WatchOptions, changed func()) {
		w := newWatch(dir, o)
		w.errors = errors
		w.serve(ctx, changed)
	}
}

// Parse reads a profile named lab from memory, with a daemon.toml where that
// is good.
func (l *Loader) Parse(daemon, text string) (Profile, []Setting, []Problem) {
	run := l.begin()
	if len(run.useDaemon([]byte(daemon))) > 0 {
		run.useDaemon(nil)
	}
	e, problems := run.useProfile("lab", "profiles/lab.toml", []byte(text))
	return e.profile, e.settings, problems
}
