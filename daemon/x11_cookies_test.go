package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tunneld/control"
)

// A display's cookie is the same after a restart, that of another display is
// another, and its secret is for nobody else to read.
func TestCookiesStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	noted := 0
	quiet := &journal{tell: func(control.Event) { noted++ }}
	first := (&cookies{dir: dir, journal: quiet}).of("ana@lab:22", 7)
	again := &cookies{dir: dir, journal: quiet}
	if !again.of("ana@lab:22", 7).Equal(first) {
		t.Error("another one after a restart")
	}
	if again.of("ana@lab:22", 8).Equal(first) || again.of("bob@lab:22", 7).Equal(first) {
		t.Error("the same for another display")
	}
	path := filepath.Join(dir, cookiesFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v %v", info, err)
	}
	if noted != 0 {
		t.Error("something went wrong")
	}
}

// A secret that is damaged is made anew; without a place for it, it is kept in
// memory, and only a place that fails is worth a word.
func TestCookiesWithoutAFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, cookiesFile), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	noted := 0
	told := &journal{tell: func(control.Event) { noted++ }}
	mended := (&cookies{dir: dir, journal: told}).of("s", 1)
	if !(&cookies{dir: dir, journal: told}).of("s", 1).Equal(mended) {
		t.Error("a damaged secret stays damaged")
	}
	none := &cookies{journal: told}
	if !none.of("s", 1).Equal(none.of("s", 1)) || noted != 0 {
		t.Errorf("without a folder: %d events", noted)
	}
	blocked := &cookies{dir: filepath.Join(dir, cookiesFile), journal: told} // a file, and no folder
	if blocked.of("s", 1).IsZero() || noted != 1 {
		t.Errorf("without a place to write: %d events", noted)
	}
}

// A secret that others could have put there makes no cookies, and is replaced.
func TestCookiesOfAStranger(t *testing.T) {
	dir := t.TempDir()
	planted := (&cookies{dir: dir}).of("s", 1)
	refused := &cookies{dir: dir, check: func(string) error { return errors.New("others can change it") }}
	mine := refused.of("s", 1)
	if mine.Equal(planted) {
		t.Error("the cookie is a stranger's")
	}
	if !(&cookies{dir: dir}).of("s", 1).Equal(mine) {
		t.Error("the secret was not replaced")
	}
}
