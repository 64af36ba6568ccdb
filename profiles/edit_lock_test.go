package profiles_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"tunneld/profiles"
)

// Of edits at the same time none is lost: each process has a loader of its own.
func TestEditsAtTheSameTime(t *testing.T) {
	t.Parallel()
	const several = 16
	l := folder(t, map[string]string{"profiles/work.toml": "server.host = \"h\"\n"})
	var all sync.WaitGroup
	for n := range several {
		address := profiles.Address{Network: profiles.TCP, Host: profiles.Localhost, Port: 4000 + n}
		add := profiles.AddForward(profiles.Forward{Kind: profiles.Local, Listen: address, Target: address})
		own := &profiles.Loader{Dir: l.Dir, State: l.State, Env: l.Env, ReadOnly: true}
		all.Go(func() {
			if changed, err := own.Apply("work", add); !changed || err != nil {
				t.Error(changed, err)
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(l.File("work"))
	for n := range several {
		if want := fmt.Sprintf("listen = %d\n", 4000+n); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("no %q: %v", want, err)
		}
	}
}

// Of several who make a file one succeeds, and nobody is overwritten.
func TestCreateFileOnce(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/profiles/work.toml"
	var all sync.WaitGroup
	made := make(chan string, 8)
	for n := range cap(made) {
		text := fmt.Sprint(n)
		all.Go(func() {
			if err := profiles.CreateFile(path, []byte(text)); err == nil {
				made <- text
			} else if !os.IsExist(err) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(path)
	if first := <-made; err != nil || len(made) > 0 || string(text) != first {
		t.Errorf("%d more made it, %s has %q, %v", len(made), first, text, err)
	}
}

// A loader that edits again sees what others wrote meanwhile.
func TestApplySeesOthers(t *testing.T) {
	t.Parallel()
	l := folder(t, map[string]string{"profiles/work.toml": "server.host = \"h\"\n", "profiles/lab.toml": "server.host = \"h\"\n"})
	add := func(port int) error {
		a := profiles.Address{Network: profiles.TCP, Host: profiles.Localhost, Port: port}
		_, err := l.Apply("work", profiles.AddForward(profiles.Forward{Kind: profiles.Local, Listen: a, Target: a}))
		return err
	}
	if err := add(4001); err != nil {
		t.Fatal(err)
	}
	write(t, l, "profiles/lab.toml", "server.host = \"h\"\nforward.local = [{ listen = 4002, target = 1 }]\n")
	if err := add(4002); err == nil || !strings.Contains(err.Error(), "is taken by the forward local-4002 (profiles/lab.toml:2") {
		t.Errorf("the port of another profile: %v", err)
	}
	write(t, l, "profiles/lab.toml", "server.host = \"h\"\n")
	if err := add(4002); err != nil {
		t.Error(err)
	}
}
