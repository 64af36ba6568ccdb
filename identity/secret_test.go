package identity_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshtest"
)

// secretFileIn writes hidden and a line end to a file that only we can read.
func secretFileIn(t *testing.T, dir, end string) string {
	t.Helper()
	path := filepath.Join(dir, "secret")
	write(t, path, []byte(hidden+end))
	return path
}

func TestResolve(t *testing.T) {
	sshtest.NeedUnix(t, "a POSIX shell")
	sshtest.Leaks(t)
	keyring.MockInit()
	if err := keyring.Set("tunneld", "work", hidden); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plain, crlf := secretFileIn(t, dir, "\n"), secretFileIn(t, t.TempDir(), "\r\n")
	s := identity.Source{
		Getenv: func(name string) string {
			return map[string]string{"PW": hidden, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/mocked"}[name]
		},
		CredentialsDir: dir,
		Environ:        func() []string { return []string{"KEPT=" + hidden} },
	}
	for secret, want := range map[identity.Secret]string{
		"env:PW":                                 hidden,
		identity.Secret("file:" + plain):         hidden,
		identity.Secret("file:" + crlf):          hidden,
		"credential:secret":                      hidden,
		"keyring:work":                           hidden,
		"command:echo " + hidden:                 hidden,
		"command:printf '%s\\n\\n' 'a  b'":       "a  b\n",
		"command:sh -c 'echo $KEPT; echo >&2 x'": hidden,
		"command:sh -c 'echo $HOME$PW.'":         ".",
	} {
		if got, err := s.Resolve(t.Context(), secret); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", secret, got, err)
		}
	}
}

// Errors say what is wrong and never what the secret is.
func TestResolveErrors(t *testing.T) {
	sshtest.NeedUnix(t, "a POSIX shell")
	sshtest.Leaks(t)
	keyring.MockInit()
	dir := t.TempDir()
	wide := secretFileIn(t, dir, "")
	if err := os.Chmod(wide, 0o640); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	write(t, large, []byte(strings.Repeat(hidden, 4000)))
	s := identity.Source{
		Getenv:         func(name string) string { return map[string]string{"DBUS_SESSION_BUS_ADDRESS": "x"}[name] },
		CredentialsDir: dir,
	}
	for secret, word := range map[identity.Secret]string{
		"prompt":                         "nobody",
		"":                               "nobody",
		hidden:                           "want prompt, env:NAME",
		hidden + ":x":                    "want prompt, env:NAME",
		"env:NONE":                       "empty",
		identity.Secret("file:" + wide):  "others can read the secret",
		identity.Secret("file:" + large): "64 KiB",
		identity.Secret("file:" + dir):   "not a regular file",
		"file:/nowhere/at/all":           "no such file",
		"credential:../secret":           "not the name of a credential",
		"credential:..":                  "not the name",
		`credential:a\b`:                 "not the name",
		"credential:":                    "not the name",
		"credential:none":                "no such file",
		"keyring:none":                   "has no none",
		"keyring:":                       "no name",
		"command:":                       "no program",
		"command:'" + hidden:             "quote is not closed",
		"command:/nowhere/x " + hidden:   "no such file",
		"command:no-such-program-here":   "not found",
		"command:true":                   "empty",
		"command:false " + hidden:        "exit status 1",
		"command:yes " + hidden:          "more than",
		"command:sh -c 'echo >&2 \"\x1b[31mlocked\"; echo >&2 second; exit 3'":                 "exit status 3: [31mlocked",
		identity.Secret("command:sh -c 'echo " + hidden + "; echo >&2 " + hidden + "; false'"): "exit status 1",
	} {
		got, err := s.Resolve(t.Context(), secret)
		if err == nil || !strings.Contains(err.Error(), word) || got != nil {
			t.Errorf("%s: %q, %v, want %q", secret, got, err, word)
			continue
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%#v", err), fault.HintOf(err), secret.String(), fmt.Sprintf("%v %#v %q", secret, secret, secret)} {
			if strings.Contains(text, hidden) || strings.Contains(text, "second") || strings.Contains(text, "\x1b") {
				t.Errorf("told: %s", text)
			}
		}
	}
	if _, err := s.Resolve(t.Context(), identity.Secret("file:"+wide)); fault.CodeOf(err) != fault.KeyPermissions || fault.HintOf(err) != "chmod 600 "+wide {
		t.Errorf("%v, %s", err, fault.HintOf(err))
	}
	for _, secret := range []identity.Secret{"env:X", "credential:x", "keyring:x"} {
		if _, err := (identity.Source{}).Resolve(t.Context(), secret); err == nil || secret == "keyring:x" && noSessionBus() && !strings.Contains(err.Error(), "D-Bus") {
			t.Errorf("%s from nowhere: %v", secret, err)
		}
	}
}

func noSessionBus() bool {
	_, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid()))
	return err != nil
}

// A command that hangs is killed with all its children at the limit.
func TestCommandThatHangs(t *testing.T) {
	sshtest.NeedUnix(t, "a POSIX shell")
	sshtest.Leaks(t)
	pid := filepath.Join(t.TempDir(), "pid")
	s := identity.Source{Limit: 300 * time.Millisecond, Environ: os.Environ}
	secret := identity.Secret("command:sh -c 'sleep 1000 & echo $! >" + pid + "; wait'")
	begun := time.Now()
	_, err := s.Resolve(t.Context(), secret)
	if err == nil || !strings.Contains(err.Error(), "no answer within 300ms") || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	child := strings.TrimSpace(string(read(t, pid)))
	sshtest.Eventually(t, patience, "the child is gone", func() bool { return !running(child) })

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	s.Limit = time.Hour
	if _, err := s.Resolve(ctx, "command:sleep 1000"); err == nil || ctx.Err() == nil {
		t.Errorf("the end of ctx: %v", err)
	}
}

// running reports whether the process lives; a zombie that nobody waits for
// does not.
func running(pid string) bool {
	status, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(status), ") Z ")
}

// What a command leaves behind with its output open holds nobody up.
func TestCommandThatLeavesAChild(t *testing.T) {
	sshtest.NeedUnix(t, "a POSIX shell")
	sshtest.Leaks(t)
	s := identity.Source{Environ: os.Environ}
	begun := time.Now()
	got, err := s.Resolve(t.Context(), "command:sh -c 'sleep 6 & echo x'")
	if err != nil || string(got) != "x" || time.Since(begun) > 5*time.Second {
		t.Errorf("%q, %v after %v", got, err, time.Since(begun))
	}
}

func TestCommandEnviron(t *testing.T) {
	got := identity.CommandEnviron([]string{"A=1", "PW=x", "B=2"}, "env:PW", "file:A", "prompt", "env:C")
	if fmt.Sprint(got) != "[A=1 B=2]" {
		t.Error(got)
	}
	got = identity.CommandEnviron([]string{"pw=x"}, "env:PW")
	if onWindows := runtime.GOOS == "windows"; (len(got) == 0) != onWindows {
		t.Error(got)
	}
}

func TestMemoryTellsNothing(t *testing.T) {
	sshtest.Leaks(t)
	srv, _ := passwordServer()
	c := byPassword
	c.Password, c.Memory, c.Asker = "", new(identity.Memory), &person{answers: [][]string{{hidden}}}
	if o := logIn(t, servePlace(t, srv), c); o.err != nil {
		t.Fatal(o.err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c.Memory, c.Memory, c.Memory, c.Memory); strings.Contains(text, hidden) {
		t.Errorf("told: %s", text)
	}
}
