//go:build !windows

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/identity"
	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

// A profile that is added later has its secret's variable taken from the
// commands of those that run already.
func TestLaterSecretsAreHiddenFromCommands(t *testing.T) {
	sshtest.Leaks(t)
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	save := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, "profiles", name+".toml")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("aa", fmt.Sprintf("server = { host = '127.0.0.1', user = 'ana', ssh_config = 'none', proxy = %q }\n"+
		"link = { reconnect_min = '20ms', reconnect_max = '50ms' }\nauth.agent = 'none'\nhost_key.known_hosts = []\n",
		"command:sh -c 'echo \"[$SECRET_OF_BB]\" >> "+seen+"'"))
	s := &Supervisor{
		Loader: &profiles.Loader{Dir: dir, Env: profiles.Environment{User: "ana", Home: dir}},
		Account: Account{Secrets: identity.Source{
			Environ: func() []string { return append(os.Environ(), "SECRET_OF_BB=hunter2") },
		}},
	}
	sshtest.Run(t, s)
	last := func(line string) func() bool {
		return func() bool {
			data, _ := os.ReadFile(seen)
			return strings.HasSuffix(string(data), "["+line+"]\n")
		}
	}
	sshtest.Eventually(t, patience, "a command", last("hunter2"))
	save("bb", "enabled = false\nserver = { host = '127.0.0.1', port = 1, user = 'ana', ssh_config = 'none' }\n"+
		"auth = { agent = 'none', methods = ['password'], password = 'env:SECRET_OF_BB' }\n")
	if r, err := s.Reload(t.Context(), control.ReloadOptions{}); err != nil || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	sshtest.Eventually(t, patience, "a command without the secret", last(""))
}
