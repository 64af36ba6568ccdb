package main

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/daemon"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// globals are the flags that every command has.
type globals struct {
	system, user   bool
	config, socket string
}

func (g *globals) register(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.BoolVar(&g.system, "system", false, "use the machine's profiles")
	flags.BoolVar(&g.user, "user", false, "use the account's own profiles")
	flags.StringVar(&g.config, "config", "", "use the profiles of this `folder` (TUNNELD_CONFIG)")
	flags.StringVar(&g.socket, "socket", "", "the daemon's socket or pipe is this `path` (TUNNELD_SOCKET)")
	root.MarkFlagsMutuallyExclusive("system", "user")
	_, _ = root.MarkPersistentFlagDirname("config"), root.RegisterFlagCompletionFunc("socket", anyFile) // they are there
}

// folders are where profiles are read and state is kept.
type folders struct {
	config, state string
	system        bool
	named         bool // by --config or TUNNELD_CONFIG
}

// folders decides which folders are meant: those that were named, else the
// machine's for root and Administrator, else the account's own. The state of a
// named folder stands in it, so that two daemons never share one.
func (g *globals) folders() (folders, error) {
	config := g.config
	if config == "" {
		config = os.Getenv("TUNNELD_CONFIG")
	}
	if config != "" {
		dir, err := filepath.Abs(config)
		return folders{config: dir, state: filepath.Join(dir, "state"), system: g.system, named: true}, err
	}
	if g.system || (!g.user && isPrivileged()) {
		return systemFolders(), nil
	}
	return userFolders()
}

func or(value, fallback string) string {
	if value != "" {
		return value
	}
	return fallback
}

// loader returns a loader of f's profiles.
func (f folders) loader() (*profiles.Loader, error) {
	env := profiles.Environment{System: f.system, Getenv: os.LookupEnv, Windows: runtime.GOOS == "windows"}
	if u, err := user.Current(); err == nil {
		env.User = u.Username[strings.LastIndex(u.Username, `\`)+1:] // Windows says DOMAIN\name
		env.Home = u.HomeDir
		env.UserID = u.Uid
	}
	if name, err := os.Hostname(); err == nil {
		env.Hostname = name
	}
	if home, err := os.UserHomeDir(); err == nil {
		env.Home = home
	}
	return &profiles.Loader{Dir: f.config, State: f.state, Env: env, Known: link.KnownAlgorithms()}, nil
}

// account is what this account brings to a login, and to windows.
func (f folders) account() daemon.Account {
	return daemon.Account{
		Display: os.Getenv("DISPLAY"), XAuthority: xauthority(), UsualDisplay: usualDisplay(f),
		Agent: agentSocket(),
		Secrets: identity.Source{
			Getenv:         os.Getenv,
			Environ:        os.Environ,
			CredentialsDir: os.Getenv("CREDENTIALS_DIRECTORY"),
			ConfigDir:      f.config,
		},
	}
}
