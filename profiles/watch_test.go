package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 20 * time.Second

// watched is a folder under watch. Its loader reads it as a daemon does.
type watched struct {
	*profiles.Loader
	calls   atomic.Int64
	changes chan struct{} // holds one
}

// watch watches a folder until the end of the test.
func watch(t *testing.T, l *profiles.Loader, o profiles.WatchOptions) *watched {
	t.Helper()
	return watchBy(t, profiles.Watch, l, o)
}

func watchBy(t *testing.T, by func(context.Context, string, profiles.WatchOptions, func()), l *profiles.Loader, o profiles.WatchOptions) *watched {
	t.Helper()
	if o.Trouble == nil {
		o.Trouble = func(err error) { t.Errorf("trouble: %v", err) }
	}
	w := &watched{Loader: l, changes: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		by(ctx, l.Dir, o, w.changed)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	w.await(t, "the beginning", func() bool { return true })
	return w
}

func (w *watched) changed() {
	w.calls.Add(1)
	select {
	case w.changes <- struct{}{}:
	default:
	}
}

// await waits for a change after which ok holds.
func (w *watched) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case <-w.changes:
			if ok() {
				return
			}
		case <-deadline:
			t.Fatalf("not noticed: %s", what)
		}
	}
}

// says waits until the profile work has a description.
func (w *watched) says(t *testing.T, want string) {
	t.Helper()
	w.await(t, want, func() bool {
		set, _ := w.Load()
		p, _ := set.Profile("work")
		return p.Description == want
	})
}

// isCalm wants nothing to be told for a while.
func (w *watched) isCalm(t *testing.T, after string) {
	t.Helper()
	select {
	case <-w.changes:
		t.Errorf("%s counts as a change", after)
	case <-time.After(300 * time.Millisecond):
	}
}

// described is a profile with a description.
func described(text string) string { return "description = '" + text + "'\n" + smallest }

// never polls: what these tests see, an event told.
var never = profiles.WatchOptions{Poll: time.Hour}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run executes a program that scripts/deps installs or every system has.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TERM=dumb")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// saves are the ways in which programs save a file at path.
var saves = []struct {
	name string
	save func(t *testing.T, path, text string)
}{
	{"in place (nano, echo)", func(t *testing.T, path, text string) {
		must(t, os.WriteFile(path, []byte(text), 0o600))
	}},
	{"truncated first, then in two writes", func(t *testing.T, path, text string) {
		f, err := os.Create(path)
		must(t, err)
		for _, part := range []string{text[:len(text)/2], text[len(text)/2:]} {
			time.Sleep(20 * time.Millisecond) // a slow writer, that is
			_, err := f.WriteString(part)
			must(t, err)
		}
		must(t, f.Close())
	}},
	{"twice the same (kate)", func(t *testing.T, path, text string) {
		must(t, os.WriteFile(path, []byte(text), 0o600), os.WriteFile(path, []byte(text), 0o600))
	}},
	{"another file renamed over it (sed -i, emacs, an atomic save)", func(t *testing.T, path, text string) {
		temp := filepath.Join(filepath.Dir(path), ".work.toml.XXXX")
		must(t, os.WriteFile(temp, []byte(text), 0o600), os.Rename(temp, path))
	}},
	{"the old one renamed to a backup (vim, backupcopy=no)", func(t *testing.T, path, text string) {
		probe := filepath.Join(filepath.Dir(path), "4913")
		swap := filepath.Join(filepath.Dir(path), ".work.toml.swp")
		must(t, os.WriteFile(swap, nil, 0o600), os.WriteFile(probe, nil, 0o600), os.Remove(probe), os.Rename(path, path+"~"))
		must(t, os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o600), os.Remove(path+"~"), os.Remove(swap))
	}},
	{"removed and made again", func(t *testing.T, path, text string) {
		must(t, os.Remove(path), os.WriteFile(path, []byte(text), 0o600))
	}},
}

func TestWaysOfSaving(t *testing.T) {
	for _, way := range saves {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, folder(t, map[string]string{"profiles/work.toml": described("0")}), never)
			path := filepath.Join(w.Dir, "profiles", "work.toml")
			for n := 1; n <= 5; n++ {
				way.save(t, path, described(fmt.Sprint(n))) // always as long as before
				w.says(t, fmt.Sprint(n))
			}
			w.isCalm(t, "nothing")
		})
	}
}

// A save in several steps is one change: whoever loads then sees all of it.
func TestOneSaveIsOneChange(t *testing.T) {
	for _, way := range saves {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, folder(t, map[string]string{"profiles/work.toml": described("0")}), profiles.WatchOptions{Quiet: time.Second, Most: patience, Poll: time.Hour})
			way.save(t, filepath.Join(w.Dir, "profiles", "work.toml"), described("1"))
			w.says(t, "1")
			w.isCalm(t, "nothing")
			if n := w.calls.Load(); n != 2 { // with the one at the beginning
				t.Errorf("%d changes", n-1)
			}
		})
	}
}

// What editors leave beside the file is not a change, nor is a look at it.
func TestStrangersAreIgnored(t *testing.T) {
	t.Parallel()
	w := watch(t, folder(t, map[string]string{"profiles/work.toml": described("0")}), never)
	for _, name := range []string{"work.toml~", ".work.toml.swp", "4913", "#work.toml#", ".#work.toml", "work.toml.bak", "notes.txt", ".goutputstream-X1.toml"} {
		write(t, w.Loader, "profiles/"+name, described("1"))
		w.isCalm(t, name)
	}
	_, err := os.ReadFile(filepath.Join(w.Dir, "profiles/work.toml"))
	must(t, err)
	w.isCalm(t, "reading")
	write(t, w.Loader, "state/last-good/work.toml", described("0"))
	w.isCalm(t, "the state folder")
}

func TestSed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no sed")
	}
	w := watch(t, folder(t, map[string]string{"profiles/work.toml": described("0")}), never)
	path := filepath.Join(w.Dir, "profiles/work.toml")
	run(t, "sed", "-i.orig", "s/'0'/'1'/", path)
	w.says(t, "1")
	run(t, "sed", "-i.orig", "s/'1'/'2'/", path)
	w.says(t, "2")
}

// New, renamed and removed files are changes, of daemon.toml too.
func TestFilesComeAndGo(t *testing.T) {
	w := watch(t, folder(t, map[string]string{"profiles/work.toml": smallest}), never)
	set := func(want string) func() bool {
		return func() bool { s, _ := w.Load(); return names(s) == want }
	}
	write(t, w.Loader, "profiles/play.toml", smallest)
	w.await(t, "a new file", set("play work"))
	must(t, os.Rename(filepath.Join(w.Dir, "profiles/play.toml"), filepath.Join(w.Dir, "profiles/toys.toml")))
	w.await(t, "a rename", set("toys work"))
	remove(t, w.Loader, "profiles/toys.toml")
	w.await(t, "a removal", set("work"))
	level := func(want string) func() bool {
		return func() bool { s, _ := w.Load(); d, _ := s.Daemon(); return d.LogLevel == want }
	}
	write(t, w.Loader, "daemon.toml", "log_level = 'debug'\n")
	w.await(t, "daemon.toml", level("debug"))
	remove(t, w.Loader, "daemon.toml")
	w.await(t, "its removal", level("info"))
}

// Folders that are not there yet, whatever is missing of them, and that go and
// come again.
func TestFoldersComeAndGo(t *testing.T) {
	sshtest.NeedUnix(t, "folders that go while they are watched")
	t.Parallel()
	root := t.TempDir()
	l := &profiles.Loader{Dir: filepath.Join(root, "a", "b", "tunneld"), Env: environment()}
	w := watch(t, l, never)
	for _, dir := range []string{"a", "a/b", "a/b/tunneld", "a/b/tunneld/profiles"} {
		must(t, os.Mkdir(filepath.Join(root, dir), 0o700))
		time.Sleep(200 * time.Millisecond) // each may be noticed on its own
	}
	write(t, l, "profiles/work.toml", described("1"))
	w.says(t, "1")
	for n, gone := range []string{l.Dir, filepath.Join(l.Dir, "profiles"), filepath.Join(root, "a")} {
		must(t, os.RemoveAll(gone))
		w.await(t, "the end of "+gone, func() bool { return true })
		write(t, l, "profiles/work.toml", described(fmt.Sprint("again ", n)))
		w.says(t, fmt.Sprint("again ", n))
		write(t, l, "profiles/work.toml", described(fmt.Sprint("edited ", n)))
		w.says(t, fmt.Sprint("edited ", n))
	}
	old := l.Dir + ".old"
	must(t, os.Rename(l.Dir, old))
	write(t, l, "profiles/work.toml", described("another folder"))
	w.says(t, "another folder")
	write(t, &profiles.Loader{Dir: old}, "profiles/work.toml", described("the old one"))
	w.isCalm(t, "a folder that was renamed")
}

// A Kubernetes volume: the files are links through ..data, which is swapped.
func TestSwappedVolume(t *testing.T) {
	sshtest.NeedUnix(t, "links for everybody")
	for _, inner := range []string{"profiles", ""} {
		l := folder(t, nil)
		volume := filepath.Join(l.Dir, inner)
		publish(t, volume, 1, inner == "")
		if inner == "" {
			must(t, os.Symlink("..data/profiles", filepath.Join(volume, "profiles")))
		} else {
			must(t, os.Symlink("..data/work.toml", filepath.Join(volume, "work.toml")))
		}
		w := watch(t, l, never)
		for n := 2; n < 6; n++ {
			publish(t, volume, n, inner == "")
			w.says(t, fmt.Sprint(n))
		}
	}
}

// publish swaps a volume as the kubelet does, and removes what was before.
func publish(t *testing.T, volume string, n int, nested bool) {
	t.Helper()
	name := func(n int) string { return fmt.Sprintf("..2026_11_22_%d", n) }
	dir := filepath.Join(volume, name(n))
	if nested {
		dir = filepath.Join(dir, "profiles")
	}
	must(t, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "work.toml"), []byte(described(fmt.Sprint(n))), 0o600))
	must(t, os.Symlink(name(n), filepath.Join(volume, "..data_tmp")))
	must(t, os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")))
	must(t, os.RemoveAll(filepath.Join(volume, name(n-1))))
}

// A file that is a link elsewhere, as dotfile managers make them: the file
// behind it may be written, and the link may come to lead elsewhere.
func TestLinkedFile(t *testing.T) {
	sshtest.NeedUnix(t, "links for everybody")
	l, dotfiles := folder(t, nil), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(l.Dir, "profiles"), 0o700))
	one, two := filepath.Join(dotfiles, "one"), filepath.Join(dotfiles, "two")
	must(t, os.WriteFile(one, []byte(described("1")), 0o600), os.WriteFile(two, []byte(described("2")), 0o600))
	link := filepath.Join(l.Dir, "profiles/work.toml")
	must(t, os.Symlink(one, link))
	w := watch(t, l, never)
	must(t, os.WriteFile(one, []byte(described("3")), 0o600))
	w.says(t, "3")
	must(t, os.WriteFile(filepath.Join(dotfiles, "else"), nil, 0o600))
	w.isCalm(t, "a neighbour of the file behind the link")
	must(t, os.Remove(link), os.Symlink(two, link))
	w.says(t, "2")
	must(t, os.Remove(two))
	w.await(t, "a link to nothing", func() bool { return true })
	must(t, os.WriteFile(two, []byte(described("4")), 0o600))
	w.says(t, "4")
}

// Without events the files are looked at.
func TestPoll(t *testing.T) {
	w := watchBy(t, profiles.WatchBlind, folder(t, map[string]string{"profiles/work.toml": described("0")}), profiles.WatchOptions{Poll: 20 * time.Millisecond})
	for n, way := range saves {
		way.save(t, filepath.Join(w.Dir, "profiles/work.toml"), described(fmt.Sprintf("%04d", n)))
		w.says(t, fmt.Sprintf("%04d", n))
	}
	w.isCalm(t, "nothing")
}

// Events that were lost in a storm are one reason to look, and no trouble; what
// else goes wrong is told, once.
func TestLostEventsMeanALook(t *testing.T) {
	wrong, told := make(chan error), make(chan error, 9)
	o := profiles.WatchOptions{Poll: time.Hour, Trouble: func(err error) { told <- err }}
	w := watchBy(t, profiles.WatchErrors(wrong), folder(t, map[string]string{"profiles/work.toml": described("0")}), o)
	for n, err := range []error{fsnotify.ErrEventOverflow, errors.New("one"), errors.New("two")} {
		write(t, w.Loader, "profiles/work.toml", described(fmt.Sprint("after ", n)))
		wrong <- err
		w.says(t, fmt.Sprint("after ", n))
	}
	if err := <-told; err.Error() != "one" || len(told) > 0 {
		t.Errorf("told %v and %d more", err, len(told))
	}
}

// Fifty saves a second end in the state of the last one, and are told at most
// once a second.
func TestManySaves(t *testing.T) {
	t.Parallel()
	seconds := 10
	if testing.Short() {
		seconds = 2
	}
	w := watch(t, folder(t, map[string]string{"profiles/work.toml": described("0")}), profiles.WatchOptions{
		Quiet: time.Second, Poll: time.Hour, // a pause of a busy machine is no end
	})
	path, start := filepath.Join(w.Dir, "profiles/work.toml"), time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for n := range 50 * seconds {
		last = fmt.Sprint("save ", n)
		saves[n%len(saves)].save(t, path, described(last))
		<-tick.C
	}
	w.says(t, last)
	if n, most := w.calls.Load(), int64(time.Since(start).Seconds())+2; n > most {
		t.Errorf("%d changes, want at most %d", n, most)
	}
}
