package identity

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Credentials says how the user proves who it is.
type Credentials struct {
	// Methods are tried in this order as far as the server allows them:
	// publickey, keyboard-interactive, password. Empty means publickey alone.
	Methods []string

	Files            []string // private keys, or public keys of keys in the agent
	Named            bool     // Files were written by the user: a missing one is a fault
	CertificateFiles []string // user certificates, beside PATH-cert.pub of each key
	IdentitiesOnly   bool     // offer no key of the agent that Files do not name
	Agent            string   // the agent's socket or pipe; "" means none

	// PublicKeyAlgorithms are the signature algorithms to use. Empty means
	// those that are not broken, "+name" adds to them, and any other list
	// stands for itself.
	PublicKeyAlgorithms []string

	Passphrase Secret   // opens the encrypted keys
	Password   Secret   // for the method password, and for a prompt that asks for it
	Answers    []Answer // to the prompts of keyboard-interactive, the first match counts
	Secrets    Source   // where Passphrase, Password and Answers are read

	Server string  // who is logged in to, user@host:port: questions name it
	Asker  Asker   // asks a person; nil means that nobody is there
	Memory *Memory // keeps what a person gave, for one server; nil keeps nothing

	Now func() time.Time // the clock for certificates; nil means time.Now
}

// The methods of authentication (RFC 4252 sections 7 and 8, RFC 4256).
const (
	methodPublicKey   = "publickey"
	methodInteractive = "keyboard-interactive"
	methodPassword    = "password"
)

func (c Credentials) methods() []string {
	if len(c.Methods) == 0 {
		return []string{methodPublicKey}
	}
	return c.Methods
}

func (c Credentials) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// WatchedFiles returns the files that decide about a login, whether they exist
// or not: keys, their public halves and certificates, and stored secrets.
func (c Credentials) WatchedFiles() []string {
	var files []string
	for _, path := range c.Files {
		files = append(files, path, publicPath(path), certificatePath(path))
	}
	files = append(files, c.CertificateFiles...)
	for _, s := range c.secrets() {
		if kind, path := s.split(); kind == secretFile {
			files = append(files, path)
		}
	}
	return files
}

func (c Credentials) secrets() []Secret {
	all := []Secret{c.Passphrase, c.Password}
	for _, a := range c.Answers {
		all = append(all, a.Value)
	}
	return all
}

// AgentSignature changes whenever the keys in the agent do; "" without an agent.
func (c Credentials) AgentSignature(ctx context.Context) string {
	if c.Agent == "" {
		return ""
	}
	a, err := openAgent(ctx, c.Agent)
	if err != nil {
		return ""
	}
	defer a.close()
	var b strings.Builder
	for _, k := range a.keys {
		b.WriteString(ssh.FingerprintSHA256(k.PublicKey()))
	}
	return b.String()
}

// FilesSignature changes whenever one of the files does.
func FilesSignature(files []string) string {
	var b strings.Builder
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%s %d %d %o;", path, info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	return b.String()
}
