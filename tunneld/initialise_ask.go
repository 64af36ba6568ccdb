package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/identity"
	"tunneld/profiles"
)

// ask asks for what the command line left open, one question after the other.
func (in *initializer) ask(ctx context.Context) error {
	t := &in.template
	if t.Host == "" {
		if err := in.question("Server, as [user@]host[:port]:", in.setServer); err != nil {
			return err
		}
	}
	p, err := in.judge(t.TOML(in.loader.Env))
	if err != nil && (t.User != "" || !in.folders.system) {
		return err
	}
	if t.User == "" {
		if err := in.question(fmt.Sprintf("User on %s%s:", t.Host, inBrackets(p.Server.User)), in.setUser); err != nil {
			return err
		}
	}
	if len(t.Keys) == 0 {
		if err := in.question("Private key"+in.usualKeys(ctx, p.Auth)+":", in.setKey); err != nil {
			return err
		}
	}
	if len(t.Forwards) == 0 {
		if err := in.question("First forward, as 5432:db.internal:5432 (none):", in.setForward); err != nil {
			return err
		}
	}
	return in.askX11(ctx)
}

// question asks until the answer is good.
func (in *initializer) question(text string, take func(answer string) error) error {
	for {
		answer, err := askTerminal(control.PromptLine{Text: text, Echo: true})
		if err != nil {
			return err
		}
		if err = take(strings.TrimSpace(answer)); err == nil {
			return nil
		}
		fmt.Fprintln(in.command.ErrOrStderr(), err)
	}
}

// inBrackets is what Enter stands for.
func inBrackets(fallback string) string {
	if fallback == "" {
		return ""
	}
	return " [" + fallback + "]"
}

// usualKeys tells what is tried without a key of the profile's own; a profile of
// the machine tries nothing.
func (in *initializer) usualKeys(ctx context.Context, a profiles.Auth) string {
	if in.folders.system {
		return " (ssh-keygen -t ed25519 -N '' -f " + filepath.Join(in.folders.config, "keys", in.template.Name) + " makes one)"
	}
	var found []string
	for _, key := range a.IdentityFiles {
		if _, err := os.Stat(key); err == nil {
			found = append(found, filepath.Base(key))
		}
	}
	if n, err := identity.CountAgentKeys(ctx, agentSocket()); err == nil && n > 0 && a.Agent == "auto" {
		found = append(found, count(n, "key")+" of the agent")
	}
	if len(found) == 0 {
		return " (none was found; ssh-keygen -t ed25519 makes one)"
	}
	return inBrackets(strings.Join(found, ", "))
}

func (in *initializer) setUser(answer string) error {
	in.template.User = answer
	_, err := in.judge(in.template.TOML(in.loader.Env))
	return err
}

// setKey takes a key, or none for the usual ones.
func (in *initializer) setKey(answer string) (err error) {
	if answer == "" {
		return nil
	}
	if answer, err = keyPath(answer); err != nil {
		return err
	}
	in.template.Keys = []string{answer}
	if _, err = in.judge(in.template.TOML(in.loader.Env)); err != nil {
		in.template.Keys = nil
	}
	return err
}

func (in *initializer) setForward(answer string) error {
	if answer == "" {
		return nil
	}
	if err := in.addForward(profiles.Local, answer); err != nil {
		return err
	}
	_, err := in.judge(in.template.TOML(in.loader.Env))
	if err != nil {
		in.template.Forwards = nil
	}
	return err
}

// maxHosts is how many host keys one try may ask about: the server's and those
// of the hosts on the way.
const maxHosts = 8

// try makes the connection, where that is wanted, and has the keys of hosts
// learned that the person trusts.
func (in *initializer) try(ctx context.Context, p profiles.Profile) error {
	if !in.connect && in.fingerprint == "" {
		if !in.terminal {
			return nil
		}
		if yes, err := confirm("Try the connection now?"); err != nil || !yes {
			return err
		}
	}
	for range maxHosts {
		shown, err := in.trace(ctx, p.Name)
		if err == nil && in.fingerprint != "" && !slices.Contains(shown, in.fingerprint) {
			return hinted{fmt.Errorf("known_hosts trusts the key that is shown, but it is not %s", in.fingerprint),
				"ask the administrator which of the two is right; until then: tunneld disable " + p.Name}
		}
		var unknown *identity.Unknown
		if !errors.As(err, &unknown) || len(unknown.Known) > 0 {
			return err
		}
		if err := in.trust(p, unknown, err); err != nil {
			return err
		}
	}
	return errors.New("too many unknown host keys on the way")
}

// trace connects once, in this process: a daemon may not know the profile yet. It
// returns the fingerprints of the host keys that it verified.
func (in *initializer) trace(ctx context.Context, profile string) (shown []string, err error) {
	s, err := in.globals.local()
	if err != nil {
		return nil, err
	}
	s.Open()
	t := &tracer{out: in.out, brief: true, start: time.Now()}
	err = s.Trace(ctx, profile, control.TraceOptions{Forwards: true}, func(e control.Event) {
		if e.Step == fault.HostKey {
			shown = append(shown, strings.Fields(e.Detail)...)
		}
		t.print(e)
	})
	return shown, err
}

// trust learns a host key, if its fingerprint was given or the person says so.
func (in *initializer) trust(p profiles.Profile, u *identity.Unknown, refused error) error {
	shown := ssh.FingerprintSHA256(u.Key)
	fmt.Fprintf(in.out, "%s shows the host key\n  %s %s\n", u.Name, u.Key.Type(), shown)
	switch {
	case in.fingerprint == shown:
	case in.fingerprint != "":
		return fault.New(fault.HostKeyUnknown, fault.HostKey, "the server shows %s, not %s", shown, in.fingerprint)
	case !in.terminal:
		return hinted{refused, "compare it with the administrator, then --force --fingerprint " + shown}
	default:
		if yes, err := confirm(askFingerprint); err != nil {
			return err
		} else if !yes {
			return hinted{errors.New("the host key was not accepted"), "compare it with the administrator; then: tunneld run, and tunneld trust " + p.Name}
		}
	}
	path, err := identity.HostKeys{Files: p.HostKey.KnownHosts, Alias: p.HostKey.Alias}.Learn(u.Name, u.Key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.out, "accepted: %s\n", path)
	return err
}
