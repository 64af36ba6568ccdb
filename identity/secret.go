package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunneld/fault"
)

// Secret says where a passphrase or password is kept. It is not the secret:
//
//	prompt            a person gives it; also ""
//	env:NAME          a variable of the environment
//	file:PATH         a file that only its owner can read
//	command:ARGV      what a program prints, run without a shell
//	credential:NAME   a systemd credential
//	keyring:NAME      the Secret Service, Windows Credential Manager or macOS Keychain
type Secret string

// The kinds of Secret.
const (
	secretPrompt     = "prompt"
	secretEnv        = "env"
	secretFile       = "file"
	secretCommand    = "command"
	secretCredential = "credential"
	secretKeyring    = "keyring"
)

// Prompts reports whether a person is to give the secret.
func (s Secret) Prompts() bool { return s == "" || s == secretPrompt }

// String names the place. It leaves out the arguments of a command and whatever
// else might be a secret that somebody wrote here by mistake.
func (s Secret) String() string {
	kind, name := s.split()
	switch kind {
	case secretPrompt:
		return secretPrompt
	case secretCommand:
		argv, err := SplitArgv(name)
		if err != nil || len(argv) == 0 {
			return secretCommand
		}
		return secretCommand + ":" + argv[0]
	case secretEnv, secretFile, secretCredential, secretKeyring:
		return kind + ":" + name
	default:
		return "an unknown kind of secret"
	}
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

func (s Secret) split() (kind, name string) {
	if s.Prompts() {
		return secretPrompt, ""
	}
	kind, name, found := strings.Cut(string(s), ":")
	if !found {
		return "", ""
	}
	return kind, name
}

// Source is where secrets are read. The zero value reads files, and runs
// commands with an empty environment.
type Source struct {
	Getenv         func(string) string // nil means that no variable is set
	Environ        func() []string     // what a command that starts now gets, see CommandEnviron; nil means nothing
	CredentialsDir string              // systemd's $CREDENTIALS_DIRECTORY, or ""
	ConfigDir      string              // the configuration folder, or "": who may read a mount there is the mounter's to say
	Limit          time.Duration       // of a command or the keyring; 0 means 10 s
}

// CommandEnviron returns environ without the variables in which secrets are
// kept, for Source.Environ.
func CommandEnviron(environ []string, secrets ...Secret) []string {
	var kept []string
	for _, line := range environ {
		variable, _, _ := strings.Cut(line, "=")
		if !slices.ContainsFunc(secrets, func(s Secret) bool { return s.isIn(variable) }) {
			kept = append(kept, line)
		}
	}
	return kept
}

// isIn reports whether the secret is the value of a variable.
func (s Secret) isIn(variable string) bool {
	kind, name := s.split()
	return kind == secretEnv && sameVariable(name, variable)
}

// Resolve reads the secret. Its errors name the place and never the secret; a
// file that others can read has the code key_permissions. An empty secret is an
// error too, since no one keeps one on purpose.
func (s Source) Resolve(ctx context.Context, secret Secret) ([]byte, error) {
	value, err := s.resolve(ctx, secret)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", secret, err)
	case len(value) == 0:
		return nil, fmt.Errorf("%s: it is empty", secret)
	}
	return value, nil
}

func (s Source) resolve(ctx context.Context, secret Secret) ([]byte, error) {
	switch kind, name := secret.split(); kind {
	case secretPrompt:
		return nil, ErrNobody
	case secretEnv:
		return s.fromEnvironment(name)
	case secretFile:
		return s.fromFile(name)
	case secretCommand:
		return s.fromCommand(ctx, name)
	case secretCredential:
		return s.fromCredential(name)
	case secretKeyring:
		return s.fromKeyring(ctx, name)
	default:
		return nil, errors.New("want prompt, env:NAME, file:PATH, command:ARGV, credential:NAME or keyring:NAME")
	}
}

func (s Source) fromEnvironment(name string) ([]byte, error) {
	if s.Getenv == nil {
		return nil, errors.New("there is no environment")
	}
	return []byte(s.Getenv(name)), nil
}

func (s Source) fromFile(path string) ([]byte, error) {
	data, err := readSmall(path)
	if err == nil {
		err = checkPermissions(path, "secret", s.places())
	}
	if err != nil {
		clear(data)
		return nil, err
	}
	return cutNewline(data), nil
}

// fromCredential reads what systemd passed with LoadCredential= and its kin
// (systemd.exec(5), CREDENTIALS).
func (s Source) fromCredential(name string) ([]byte, error) {
	switch {
	case s.CredentialsDir == "":
		return nil, errors.New("systemd passed no credentials (LoadCredential= in the unit)")
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`):
		return nil, errors.New("not the name of a credential")
	}
	data, err := readSmall(filepath.Join(s.CredentialsDir, name))
	return cutNewline(data), err
}

// places are where files may be mounted that others protect.
func (s Source) places() []string { return []string{s.CredentialsDir, s.ConfigDir} }

func (s Source) limit() time.Duration {
	if s.Limit > 0 {
		return s.Limit
	}
	return 10 * time.Second
}

// cutNewline removes the one line end that editors and programs put there.
func cutNewline(data []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
}

// secretFault gives the error of a stored secret a code, unless it has one.
func secretFault(code fault.Code, err error) *fault.Error {
	f := fault.As(err)
	if f == nil {
		return fault.New(code, fault.Auth, "stored secret: %w", err).WithHint("correct it where it is stored, or write \"prompt\" in the profile")
	}
	if f.Code == fault.BadPassphrase { // what is missing may be a password as well
		named := *f
		named.Code = code
		return &named
	}
	return f
}
