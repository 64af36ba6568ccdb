package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// A bad save of daemon.toml, too, is told, keeps what was good, and is told to
// be mended.
func TestDaemonFileIsMended(t *testing.T) {
	sshtest.Leaks(t)
	s, told := supervise(t, map[string]string{"work": "enabled = false\nserver.host = '127.0.0.1'\n"})
	save := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.Loader.Dir, daemonFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	await := func(want control.Event) {
		t.Helper()
		sshtest.Eventually(t, patience, want.Message, func() bool {
			return told.has(func(e control.Event) bool {
				return e.Message == want.Message && e.Detail == want.Detail && e.Hint == want.Hint
			})
		})
	}
	save("log_level = 'debug'\n")
	save("log_levle = 'debug'\n")
	await(control.Event{Message: "problem in a profile", Detail: "daemon.toml:1:1: log_levle: unknown key", Hint: "did you mean log_level?"})
	save("log_level = 'warn'\n")
	sshtest.Eventually(t, patience, "the good version", func() bool { d, _ := s.current().Daemon(); return d.LogLevel == "warn" })
	save("log_level = 7\n")
	await(control.Event{Message: "the last good version stays in force", Detail: daemonFile})
	save("log_level = 'error'\n")
	await(control.Event{Message: "the file is in force again", Detail: daemonFile})
}
