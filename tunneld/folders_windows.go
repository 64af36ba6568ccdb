package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

func isPrivileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

// accountID is the account's SID.
func accountID() string {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "unknown" // the token of the process itself can always be read
	}
	return me.User.Sid.String()
}

// systemFolders asks Windows, not the environment: who calls with another one
// must not lead a service or an administrator elsewhere.
func systemFolders() folders {
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		data = os.Getenv("ProgramData")
	}
	base := filepath.Join(data, "tunneld")
	return folders{config: base, state: filepath.Join(base, "state"), system: true}
}

func userFolders() (folders, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return folders{}, err
	}
	state, err := os.UserCacheDir() // %LocalAppData%
	return folders{config: filepath.Join(config, "tunneld"), state: filepath.Join(state, "tunneld")}, err
}

// agentSocket is the agent that auth.agent = "auto" means: OpenSSH's pipe, if
// its service runs.
func agentSocket() string {
	const pipe = `\\.\pipe\openssh-ssh-agent`
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		return socket
	}
	if _, err := os.Stat(pipe); err != nil {
		return ""
	}
	return pipe
}
