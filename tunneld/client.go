package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"tunneld/control"
	"tunneld/fault"
)

// socketName is a daemon's socket in its folder.
const socketName = "tunneld.sock"

// longestSocket is the longest path that is used for a socket, in bytes; the
// systems allow a little more.
const longestSocket = 100

// places is what the paths of sockets are made of.
type places struct {
	system  string // runtime.GOOS
	account string // the uid, on Windows the SID
	runtime string // $XDG_RUNTIME_DIR, or ""
	temp    string // $TMPDIR, or the system's
}

// here returns the places of this process.
func here() places {
	return places{
		system: runtime.GOOS, account: accountID(),
		runtime: os.Getenv("XDG_RUNTIME_DIR"), temp: os.TempDir(),
	}
}

// socketOf returns where the daemon of f listens, unless it is told otherwise.
func (p places) socketOf(f folders) string {
	switch {
	case f.named:
		return p.folderSocket(f.state)
	case f.system:
		return p.systemSocket()
	default:
		return p.userSocket()
	}
}

func (p places) userSocket() string {
	if p.system == "windows" {
		return `\\.\pipe\tunneld-` + p.account
	}
	return filepath.Join(p.userFolder(), socketName)
}

func (p places) userFolder() string {
	if p.runtime != "" {
		return filepath.Join(p.runtime, "tunneld")
	}
	return filepath.Join(p.temp, "tunneld-"+p.account)
}

func (p places) systemSocket() string {
	switch p.system {
	case "windows":
		return `\\.\pipe\tunneld`
	case "darwin":
		return "/var/run/tunneld/" + socketName // there is no /run
	default:
		return "/run/tunneld/" + socketName
	}
}

// folderSocket is the socket of a configuration folder that was named, in its
// state folder. A pipe cannot be there, and a long path is not possible: then a
// hash stands for the folder, among what the user has.
func (p places) folderSocket(state string) string {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(state)))[:16]
	path := filepath.Join(state, socketName)
	switch {
	case p.system == "windows":
		return p.userSocket() + "-" + hash
	case len(path) > longestSocket:
		return filepath.Join(p.userFolder(), hash+".sock")
	default:
		return path
	}
}

// socketFor returns where the daemon of f listens: what --socket says, else
// TUNNELD_SOCKET, else daemon.toml, else its place.
func (g *globals) socketFor(f folders) (string, error) {
	if path := or(g.socket, os.Getenv("TUNNELD_SOCKET")); path != "" {
		return path, nil
	}
	loader, err := f.loader()
	if err != nil {
		return "", err
	}
	loader.ReadOnly = true
	set, _ := loader.Load() // a problem is told by those who need what is wrong
	settings, _ := set.Daemon()
	return or(settings.Socket, here().socketOf(f)), nil
}

// sockets returns where a daemon may answer: the one that was named, else the
// user's own, then the machine's.
func (g *globals) sockets() ([]string, error) {
	f, err := g.folders()
	if err != nil {
		return nil, err
	}
	candidates := []folders{f}
	if !f.named && !g.system && !g.user {
		own, err := userFolders()
		if err != nil {
			return nil, err
		}
		candidates = []folders{own, systemFolders()}
	}
	var paths []string
	for _, f := range candidates {
		path, err := g.socketFor(f)
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 || paths[0] != path {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// connect returns a client of the first daemon that answers.
func (g *globals) connect(ctx context.Context) (*control.Client, error) {
	paths, err := g.sockets()
	if err != nil {
		return nil, err
	}
	var refused, absent error
	for _, path := range paths {
		client, err := control.Dial(ctx, path)
		switch {
		case err == nil:
			return client, nil
		case fault.CodeOf(err) == fault.DaemonNotRunning:
			absent = err
		case refused == nil:
			refused = err
		}
	}
	if refused != nil {
		return nil, refused // there is one, and that is what a person wants to know
	}
	return nil, fault.New(fault.DaemonNotRunning, "", "no daemon answers at %s", strings.Join(paths, " or ")).
		WithHint("%s", fault.HintOf(absent))
}
