package identity

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

const fuzzKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvmuoqFzkZ+2qCyH4GtyNWnHlcKdYaPqHWzRTL9xrMQ"

// Every line is an entry, a bad line or a comment, and an edit touches only the
// lines that it is about.
func FuzzKnownHosts(f *testing.F) {
	for _, text := range []string{
		"", "\n", "# c\n", "h " + fuzzKey + "\n", "g,h,10.* " + fuzzKey + " comment", "@revoked h " + fuzzKey + "\r\n",
		"*,!h " + fuzzKey + "\n|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + fuzzKey + "\n",
		"\ufeffh " + fuzzKey + "\nnonsense\n\x00\xff\n", "h ssh-rsa AAAA\nh ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n",
	} {
		f.Add([]byte(text))
	}
	key := parseFuzzKey(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, bad := parseKnownHosts("f", data)
		last, comments := 0, 0
		seen := map[int]bool{}
		for _, e := range entries {
			if e.line <= last || e.hosts == "" {
				t.Fatalf("entry %+v after line %d", e, last)
			}
			last, seen[e.line] = e.line, true
			e.matches("h")
			e.key()
		}
		last = 0
		for _, b := range bad {
			if b.Line <= last || seen[b.Line] || b.Reason == "" {
				t.Fatalf("bad line %+v after line %d", b, last)
			}
			last = b.Line
		}
		lines := bytes.Count(data, []byte("\n"))
		for line := range bytes.Lines(data) {
			if e, reason := parseLine(string(line)); e.hosts == "" && reason == "" {
				comments++
			}
			if line[len(line)-1] != '\n' {
				lines++
			}
		}
		if len(entries)+len(bad)+comments != lines {
			t.Fatalf("%d entries, %d bad, %d comments in %d lines", len(entries), len(bad), comments, lines)
		}
		checkEdits(t, data, key)
	})
}

func parseFuzzKey(f *testing.F) ssh.PublicKey {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(fuzzKey))
	if err != nil {
		f.Fatal(err)
	}
	return key
}

func checkEdits(t *testing.T, data []byte, key ssh.PublicKey) {
	all := func(ssh.PublicKey) bool { return true }
	if out, err := (edit{name: "h"}).apply("f", data); err != nil || !bytes.Equal(out, data) {
		t.Fatalf("an edit of nothing changed %q to %q, %v", data, out, err)
	}
	out, err := edit{name: "h", add: []ssh.PublicKey{key}}.apply("f", data)
	if err != nil || !bytes.HasPrefix(out, data) || len(out) > len(data)+200 {
		t.Fatalf("adding a key changed %q to %q, %v", data, out, err)
	}
	out, err = edit{name: "h", drop: all}.apply("f", data)
	if err != nil {
		return // a wildcard
	}
	entries, _ := parseKnownHosts("f", out)
	for _, e := range entries {
		if _, err := e.key(); err == nil && e.marker == "" && e.matches("h") {
			t.Fatalf("%q kept %+v", data, e)
		}
	}
	if again, err := (edit{name: "h", drop: all}).apply("f", out); err != nil || !bytes.Equal(again, out) {
		t.Fatalf("a second edit changed %q to %q, %v", out, again, err)
	}
	kept := string(out)
	for line := range strings.Lines(string(data)) {
		if e, _ := parseLine(line); e.hosts == "" || !e.matches("h") {
			_, rest, found := strings.Cut(kept, line)
			if !found {
				t.Fatalf("%q lost %q", data, line)
			}
			kept = rest
		}
	}
}

func FuzzMatchPattern(f *testing.F) {
	for _, s := range [][2]string{{"*.example", "a.example"}, {"a*b*c", "abbc"}, {"??", "ab"}, {"", ""}, {"**a?", "xay"}, {"*a*a*a*b", "aaaaaaaa"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 200 || len(s) > 2000 || !isASCII(pattern+s) {
			return // the oracle knows runes, not bytes
		}
		oracle := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`(?s)\A` + oracle + `\z`).MatchString(s)
		if got := matchPattern(pattern, s); got != want {
			t.Errorf("%q against %q: %v, want %v", pattern, s, got, want)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

// What is parsed and packed again is the same keys.
func FuzzParseHostKeys(f *testing.F) {
	key := parseFuzzKey(f)
	f.Add([]byte{})
	f.Add(ProofRequest([]ssh.PublicKey{key}))
	f.Add(ProofRequest([]ssh.PublicKey{key, key})[:60])
	f.Fuzz(func(t *testing.T, payload []byte) {
		keys, err := ParseHostKeys(payload)
		if err != nil {
			return
		}
		again, err := ParseHostKeys(ProofRequest(keys))
		if err != nil || len(again) != len(keys) || len(keys) > rotationKeys {
			t.Fatalf("%d keys became %d, %v", len(keys), len(again), err)
		}
		for i := range keys {
			if !sameKey(keys[i], again[i]) {
				t.Fatalf("key %d changed", i)
			}
		}
		if len(keys) > 0 && VerifyProofs(nil, keys, payload) == nil {
			t.Fatal("key blobs pass as proofs")
		}
	})
}
