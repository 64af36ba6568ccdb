// Package demo builds a small world on loopback in which tunneld can be shown:
// an SSH server with throw-away keys, a web server behind it, a web server
// here, and a configuration folder with a profile for them.
//
// [Build] makes the world in a temporary folder, [Site.Serve] runs it. The
// daemon that uses the profile is the caller's.
package demo

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"tunneld/internal/sshserver"
)

// Site is the demo's world.
type Site struct {
	Dir     string // the configuration folder, with profiles/demo.toml
	Profile string // what stands in that file
	Server  string // the SSH server's address
	Local   string // where the local forward listens
	Remote  string // where the remote forward listens, on the server

	ssh          *sshserver.Server
	behind, here *web
}

// web is a web server that says where it stands.
type web struct {
	listener net.Listener
	server   http.Server
}

// Build makes the keys, binds the addresses and writes the profile. Close
// removes what it wrote.
func Build() (*Site, error) {
	dir, err := os.MkdirTemp("", "tunneld-demo-")
	if err != nil {
		return nil, err
	}
	s := &Site{Dir: dir}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Site) build() error {
	key, err := s.writeKey("demo_key")
	if err != nil {
		return err
	}
	s.ssh = &sshserver.Server{AuthorizedKeys: []ssh.PublicKey{key}}
	if err := s.ssh.Listen(); err != nil {
		return err
	}
	s.Server = s.ssh.Addr()
	line := knownhosts.Line([]string{s.Server}, s.ssh.HostKeys()[0]) + "\n"
	if err := os.WriteFile(filepath.Join(s.Dir, "known_hosts"), []byte(line), 0o600); err != nil {
		return err
	}
	if s.behind, err = newWeb("Hello from the web server behind the SSH server.\n"); err != nil {
		return err
	}
	if s.here, err = newWeb("Hello from the web server on your own machine.\n"); err != nil {
		return err
	}
	if s.Local, err = freeAddress(); err != nil {
		return err
	}
	if s.Remote, err = freeAddress(); err != nil {
		return err
	}
	return s.writeProfile()
}

func (s *Site) writeProfile() error {
	host, port, err := net.SplitHostPort(s.Server)
	if err != nil {
		return err
	}
	s.Profile = fmt.Sprintf(`description = "the demo: everything on loopback"

[server]
host = %q
port = %s
user = "demo"

[auth]
identity_files = ["demo_key"]
agent = "none"

[host_key]
known_hosts = ["known_hosts"]

[[forward.local]]
name = "web"
listen = %q
target = %q

[[forward.remote]]
name = "webhook"
listen = %q
target = %q
`, host, port, s.Local, s.behind.listener.Addr(), s.Remote, s.here.listener.Addr())
	folder := filepath.Join(s.Dir, "profiles")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "demo.toml"), []byte(s.Profile), 0o600)
}

// writeKey writes a new private key and returns its public half.
func (s *Site) writeKey(name string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "tunneld demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

// Serve runs the servers until ctx ends, and returns when they are over.
func (s *Site) Serve(ctx context.Context) error {
	var work sync.WaitGroup
	for _, w := range []*web{s.behind, s.here} {
		work.Go(w.serve)
	}
	err := s.ssh.Serve(ctx)
	s.behind.Close()
	s.here.Close()
	work.Wait()
	return err
}

// Kill cuts every connection to the SSH server, as a broken network does.
func (s *Site) Kill() int { return s.ssh.KillConnections() }

// Close removes the configuration folder.
func (s *Site) Close() error { return os.RemoveAll(s.Dir) }

func newWeb(text string) (*web, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	hello := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	return &web{l, http.Server{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 10 * time.Second}}, nil
}

func (w *web) serve() { _ = w.server.Serve(w.listener) } // ends with Close

// Close ends the server and its connections.
func (w *web) Close() { _ = w.server.Close() }

// freeAddress returns a loopback address that nothing listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), nil
}
