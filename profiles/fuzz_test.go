package profiles_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/profiles"
)

// FuzzProfile reads any text. It must not panic; every problem has a place in
// the text; and a good profile, written out from what Show says, reads as the
// same profile again.
func FuzzProfile(f *testing.F) {
	for _, test := range problemTests {
		f.Add("", test.text)
	}
	every, err := os.ReadFile("testdata/every.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("[defaults.link]\nkeepalive = '10s'\nciphers = ['+a']\n", string(every))
	f.Add("defaults.auth.identity_files = ['~/k']", smallest+"description = \"\\u0001 \\\\ '\"\n[[forward.remote]]\nlisten = 0\ntarget = '[::1]:80'\n")
	env := environment()
	env.Home = filepath.Join(os.TempDir(), "ana") // absolute on every system
	l := &profiles.Loader{Dir: filepath.Join(os.TempDir(), "config"), State: filepath.Join(os.TempDir(), "state"), Env: env}
	f.Fuzz(func(t *testing.T, daemon, text string) {
		p, settings, problems := l.Parse(daemon, text)
		for _, problem := range problems {
			checkPlace(t, daemon, text, problem)
		}
		if len(problems) > 0 {
			return
		}
		written := encode(settings)
		again, _, problems := l.Parse("", written)
		if len(problems) > 0 {
			t.Fatalf("written:\n%s\n%s", written, lines(problems))
		}
		if strings.Contains(p.Server.Proxy, "@") {
			again.Server.Proxy = p.Server.Proxy // it is shown without its password
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("written:\n%s\n%s", written, diff)
		}
	})
}

func checkPlace(t *testing.T, daemon, text string, p profiles.Problem) {
	t.Helper()
	switch p.File {
	case "daemon.toml":
		text = daemon
	case "profiles/lab.toml":
	default:
		t.Fatalf("%+v: no such file", p)
	}
	if p.Message == "" || len(text) > 1<<20 {
		return
	}
	all := bytes.Split(bytes.TrimPrefix([]byte(text), []byte("\ufeff")), []byte("\n"))
	if p.Line < 1 || p.Line > len(all) || p.Column < 1 || p.Column > len(all[p.Line-1])+2 {
		t.Fatalf("%+v is outside of the text of %d lines", p, len(all))
	}
}

var item = regexp.MustCompile(`^(.*)\[(\d+)\]\.(\w+)$`)

// encode writes settings as TOML. What is left at its default and means
// something when it is written is left out.
func encode(settings []profiles.Setting) string {
	var b strings.Builder
	table := ""
	for _, s := range settings {
		if m := item.FindStringSubmatch(s.Key); m == nil && strings.Contains(s.Key, "[") {
			continue
		} else if m != nil {
			if header := m[1] + m[2]; header != table {
				table = header
				fmt.Fprintf(&b, "[[%s]]\n", m[1])
			}
			fmt.Fprintf(&b, "%s = %s\n", m[3], s.Value)
		}
	}
	var top strings.Builder
	for _, s := range settings {
		computed := s.Key == "auth.identity_files" && s.Origin == profiles.Default
		if !strings.Contains(s.Key, "[") && !computed {
			fmt.Fprintf(&top, "%s = %s\n", s.Key, s.Value)
		}
	}
	return top.String() + b.String()
}

// FuzzParseAddress checks that String is the inverse.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"5432", "localhost:5432", "[::1]:5432", "unix:/run/x", "pipe:x", "socks", "[fe80::1%eth0]:0", "::1:5", "h:", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := profiles.ParseAddress(s)
		if err != nil {
			return
		}
		if b, err := profiles.ParseAddress(a.String()); err != nil || a != b {
			t.Fatalf("%q is %#v, and %q is %#v, %v", s, a, a.String(), b, err)
		}
	})
}
