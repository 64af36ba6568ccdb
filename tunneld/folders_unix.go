//go:build !windows

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

func isPrivileged() bool { return os.Geteuid() == 0 }

func accountID() string { return strconv.Itoa(os.Geteuid()) }

func systemFolders() folders {
	return folders{config: "/etc/tunneld", state: "/var/lib/tunneld", system: true}
}

// userFolders follows the XDG Base Directory Specification, and on macOS
// Apple's layout unless ~/.config/tunneld exists.
func userFolders() (folders, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return folders{}, hinted{err, "set HOME, or name the folder of the profiles with --config"}
	}
	config := filepath.Join(or(os.Getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "tunneld")
	state := filepath.Join(or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state")), "tunneld")
	if runtime.GOOS == "darwin" {
		support := filepath.Join(home, "Library", "Application Support", "tunneld")
		state = filepath.Join(support, "state")
		if _, err := os.Stat(config); err != nil {
			config = support
		}
	}
	return folders{config: config, state: state}, nil
}

// agentSocket is the agent that auth.agent = "auto" means.
func agentSocket() string { return os.Getenv("SSH_AUTH_SOCK") }
