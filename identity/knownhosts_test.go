package identity

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Every pattern against every host, judged by ssh-keygen -F too.
func TestMatchesAsSSHKeygen(t *testing.T) {
	keygen := sshKeygen(t)
	key := hostKey(t, "ed25519")
	hashed := func(name string) string { h, _, _ := strings.Cut(hashedLine(name, key), " "); return h }
	hosts := []string{"h", "db.example", "db1.example", "web.example", "a.b.example", "example", "10.0.0.7", "2001:db8::1", "[db.example]:2222", "[db.example]:2223", "[2001:db8::1]:2222", "[h]:22", "[example]"}
	patterns := []string{
		"db.example", "DB.Example", "*.example", "*", "**", "?", "??.example", "db?.example", "d*e", "*.*.example",
		"db.example,web.example", "*.example,!db.example", "!db.example,*.example", "!*.example,*", "!db.example", "!!db.example",
		",db.example", "db.example,", ",", "db.example,,h", "10.0.0.*", "10.0.0.7", "2001:db8::1", "2001:DB8::*",
		"[db.example]:2222", "[*.example]:2222", "[db.example]:*", "[*]:*", "[2001:db8::1]:2222", "[h]:22", "[dh]*", "h[", "[example]",
		hashed("db.example"), hashed("[db.example]:2222"), hashed("2001:db8::1"), hashed("[h]:22"),
		hashed("db.example") + ",h", "h," + hashed("db.example"), "|1|AAAA|AAAA", "|2|x|y", "|",
	}
	var text strings.Builder
	for _, p := range patterns {
		text.WriteString(plainLine(p, key))
	}
	file := knownFile(t, text.String())
	entries, _ := parseKnownHosts(file, []byte(text.String()))
	for _, host := range hosts {
		out, _ := exec.Command(keygen, "-F", host, "-f", file).Output() // exit 1: not found
		want, got := map[int]bool{}, map[int]bool{}
		for line := range strings.Lines(string(out)) {
			if _, n, ok := strings.Cut(strings.TrimSpace(line), "found: line "); ok {
				i, _ := strconv.Atoi(strings.Fields(n)[0])
				want[i] = true
			}
		}
		for _, e := range entries {
			got[e.line] = e.matches(host)
		}
		for i, p := range patterns {
			if got[i+1] != want[i+1] {
				t.Errorf("%q against %q: %v, ssh-keygen says %v", p, host, got[i+1], want[i+1])
			}
		}
		if len(want) == 0 {
			t.Errorf("%q: ssh-keygen found nothing at all", host)
		}
	}
}

func TestParseKnownHosts(t *testing.T) {
	ed, rsa := hostKey(t, "ed25519"), hostKey(t, "rsa")
	line := strings.TrimSuffix(plainLine("h", ed), "\n")
	_, blob, _ := strings.Cut(line, "ssh-ed25519 ")
	long := strings.Repeat("pattern-of-a-host.example,", 5000) + "h"
	for _, c := range []struct {
		name, text string
		lines      []int // of entries
		bad        []int
	}{
		{"empty", "", nil, nil},
		{"comments", "# one\n\n  # two\n \t\n", nil, nil},
		{"no last line end", "# c\n" + line, []int{2}, nil},
		{"carriage returns", "# c\r\n\r\n" + line + "\r\n" + line + " comment\r\n", []int{3, 4}, nil},
		{"byte order mark", "\ufeff" + line + "\n\ufeff# c\n", []int{1}, nil},
		{"blanks and tabs", "\t h\tssh-ed25519  " + blob + "\tcomment of several words\n", []int{1}, nil},
		{"markers", "@cert-authority " + line + "\n@revoked\t" + line + "\n", []int{1, 2}, nil},
		{"bad markers", "@unknown " + line + "\n@revoked @revoked " + line + "\n@revoked\n" + line, []int{4}, []int{1, 2, 3}},
		{"too few fields", "h\nh ssh-ed25519\n" + line + "\n", []int{3}, []int{1, 2}},
		{"a key of protocol 1", "h 1024 35 1234567890\n" + line + "\n", []int{2}, []int{1}},
		{"type and key differ", "h ssh-rsa " + blob + "\n" + line, []int{2}, []int{1}},
		{"key is not base64", "h ssh-ed25519 !!!!\n" + line, []int{2}, []int{1}},
		{"broken hashes", "|1|AAAA|AAAA ssh-ed25519 " + blob + "\n|1|x ssh-ed25519 " + blob + "\n" + line, []int{3}, []int{1, 2}},
		{"long line", plainLine(long, rsa) + line, []int{1, 2}, nil},
		{"garbage", "\x00\xff\xfe\x01 \x80\n" + line + "\n\x00\n" + line, []int{2, 4}, []int{1, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries, bad := parseKnownHosts("f", []byte(c.text))
			var lines, badLines []int
			for _, e := range entries {
				lines = append(lines, e.line)
				if _, err := e.key(); err != nil || !e.matches("h") {
					t.Errorf("line %d: %v", e.line, err)
				}
			}
			for _, b := range bad {
				badLines = append(badLines, b.Line)
			}
			if fmt.Sprint(lines, badLines) != fmt.Sprint(c.lines, c.bad) {
				t.Errorf("entries at %v, bad %v; want %v and %v", lines, bad, c.lines, c.bad)
			}
		})
	}
}

// Bad lines are told with their places and never hide a good one; a key that
// cannot be read is told only to whom the line concerns.
func TestLookupTellsBadLines(t *testing.T) {
	key := hostKey(t, "ed25519")
	truncated := plainLine("h", key)[:40] + "\n"
	file := knownFile(t, "nonsense\n"+truncated+plainLine("h", key))
	k := lookup(t, HostKeys{Files: []string{file}}, "h", 22)
	if _, err := k.Check(key, noon); err != nil {
		t.Error(err)
	}
	if len(k.Bad) != 2 || !strings.HasPrefix(k.Bad[0].String(), file+":1: ") || !strings.HasPrefix(k.Bad[1].String(), file+":2: unreadable key") {
		t.Errorf("bad lines %v", k.Bad)
	}
	if k := lookup(t, HostKeys{Files: []string{file}}, "g", 22); len(k.Bad) != 1 {
		t.Errorf("bad lines for another host: %v", k.Bad)
	}
	k = lookup(t, HostKeys{Files: []string{knownFile(t, strings.Repeat("nonsense\n", 1000))}}, "h", 22)
	if n := len(k.Bad); n != badLimit+1 || !strings.HasSuffix(k.Bad[n-1].Reason, "979 more such lines") {
		t.Errorf("%d bad lines, the last %v", n, k.Bad[n-1])
	}
}

func TestLookupFiles(t *testing.T) {
	a, b := hostKey(t, "ed25519"), hostKey(t, "ed25519")
	h := HostKeys{Files: []string{filepath.Join(t.TempDir(), "missing"), os.DevNull, knownFile(t, plainLine("h", a)), knownFile(t, plainLine("h", b))}}
	for _, key := range []ssh.PublicKey{a, b} {
		if _, err := lookup(t, h, "h", 22).Check(key, noon); err != nil {
			t.Error(err)
		}
	}
	h.Files = append(h.Files, t.TempDir())
	_, err := h.Lookup("h", 22)
	wantCode(t, err, fault.KnownHostsUnreadable, h.Files[4], "not a regular file")
}

func TestLookupOfHugeFile(t *testing.T) {
	file := knownFile(t, "")
	if err := os.Truncate(file, knownHostsLimit+1); err != nil {
		t.Fatal(err)
	}
	_, err := HostKeys{Files: []string{file}}.Lookup("h", 22)
	wantCode(t, err, fault.KnownHostsUnreadable, file)
}

// An edit is seen at once, even one that leaves size and time as they were.
func TestLookupSeesEdits(t *testing.T) {
	a, b := hostKey(t, "ed25519"), hostKey(t, "ed25519")
	file := knownFile(t, plainLine("h", a))
	h := HostKeys{Files: []string{file}}
	for i, key := range []ssh.PublicKey{b, a, b, a} {
		lookup(t, h, "h", 22)
		if err := os.WriteFile(file, []byte(plainLine("h", key)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := lookup(t, h, "h", 22).Check(key, noon); err != nil {
			t.Errorf("edit %d: %v", i, err)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	lookup(t, h, "h", 22)
	kept := knownHostsFiles.file(file).parsed
	if _, err := lookup(t, h, "h", 22).Check(a, noon); err != nil || kept == nil || knownHostsFiles.file(file).parsed != kept {
		t.Errorf("an old file is not kept, %v", err)
	}
	os.Remove(file)
	_, err := lookup(t, h, "h", 22).Check(a, noon)
	wantCode(t, err, fault.HostKeyUnknown)
	if knownHostsFiles.file(file).parsed != nil {
		t.Error("a removed file is kept")
	}
}

// A file whose read does not end, as on a share that is away, keeps nobody from
// the others.
func TestStuckFile(t *testing.T) {
	stuck, fine := knownFile(t, ""), knownFile(t, "")
	place := knownHostsFiles.file(stuck)
	place.mu.Lock() // as while it is read
	begun, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		close(begun)
		HostKeys{Files: []string{stuck}}.Lookup("g", 22)
	}()
	<-begun
	done := make(chan error, 1)
	go func() {
		_, err := HostKeys{Files: []string{fine}}.Lookup("h", 22)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("another profile's lookup hangs with it")
	}
	place.mu.Unlock()
	<-over
}

// manyHosts is a file of n hosts, plain or hashed.
func manyHosts(tb testing.TB, n int, hashed bool) string {
	tb.Helper()
	key := hostKey(tb, "ed25519")
	var text bytes.Buffer
	for i := range n {
		name := fmt.Sprintf("host%d.example", i)
		if hashed {
			text.WriteString(hashedLine(name, key))
		} else {
			text.WriteString(plainLine(name+",10.0."+strconv.Itoa(i/250)+"."+strconv.Itoa(i%250), key))
		}
	}
	return knownFile(tb, text.String())
}

// forgetAbout keeps the lines of a file and forgets whom it was asked about.
func forgetAbout(file string) {
	if f := knownHostsFiles.file(file).parsed; f != nil {
		clear(f.about)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, kind := range []string{"plain", "hashed"} {
		file := manyHosts(b, 50_000, kind == "hashed")
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(file, old, old); err != nil {
			b.Fatal(err)
		}
		h := HostKeys{Files: []string{file}}
		for _, heat := range []string{"cold", "cached", "same"} { // the same host again, as when a link redials
			b.Run(kind+"/"+heat, func(b *testing.B) {
				for b.Loop() {
					if heat == "cold" {
						knownHostsFiles.file(file).parsed = nil
					}
					if heat == "cached" {
						forgetAbout(file)
					}
					name := fmt.Sprintf("host%d.example", rand.IntN(50_000))
					if heat == "same" {
						name = "host4711.example"
					}
					if k, err := h.Lookup(name, 22); err != nil || len(k.entries) != 1 {
						b.Fatal(err, len(k.entries))
					}
				}
			})
		}
	}
}
