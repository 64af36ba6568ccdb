package identity

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

func TestLearn(t *testing.T) {
	key, other := hostKey(t, "ed25519"), hostKey(t, "rsa")
	file := filepath.Join(t.TempDir(), "new", ".ssh", "known_hosts")
	h := HostKeys{Files: []string{file}}
	for range 2 { // the second time there is nothing to do
		if path, err := h.Learn("[h]:2222", key); err != nil || path != file {
			t.Fatalf("%q, %v", path, err)
		}
	}
	text := readText(t, file)
	if !strings.HasPrefix(text, "|1|") || strings.Count(text, "\n") != 1 {
		t.Errorf("file %q, want one hashed line", text)
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, mode)
			}
		}
	}
	if v, err := lookup(t, h, "H", 2222).Check(key, noon); err != nil || v.Source != file+":1" {
		t.Errorf("verdict %+v, %v", v, err)
	}
	_, err := h.Learn("[h]:2222", other)
	wantCode(t, err, fault.HostKeyChanged, file+":1")
	if _, err := (HostKeys{}).Learn("h", key); err == nil {
		t.Error("learned without a file")
	}
	if _, err := h.Learn("", key); err == nil {
		t.Error("learned for no name")
	}
	if out, err := exec.Command(sshKeygen(t), "-F", "[h]:2222", "-f", file).CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen does not find it: %v\n%s", err, out)
	}
}

// What is in the file stays as it is, byte for byte.
func TestLearnKeepsTheRest(t *testing.T) {
	key, g := hostKey(t, "ed25519"), plainLine("g", hostKey(t, "rsa"))
	for _, text := range []string{"", g, "# c\r\n\r\n" + strings.TrimSpace(g) + "\r\n", "nonsense \x00\xff\n\n\n", "\ufeff" + g, strings.TrimSpace(g), "# c"} {
		file := knownFile(t, text)
		if err := os.Chmod(file, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := (HostKeys{Files: []string{file}}).Learn("h", key); err != nil {
			t.Fatal(err)
		}
		if text != "" && text[len(text)-1] != '\n' {
			text += "\n"
		}
		got, ok := strings.CutPrefix(readText(t, file), text)
		if !ok || strings.Count(got, "\n") != 1 {
			t.Errorf("%q became %q", text, readText(t, file))
		}
		if info, _ := os.Stat(file); runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
			t.Errorf("mode became %v", info.Mode())
		}
		if rest, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(rest) > 0 {
			t.Errorf("left behind: %q", rest)
		}
	}
}

func TestLearnFollowsLinks(t *testing.T) {
	sshtest.NeedUnix(t, "links for everybody")
	file := knownFile(t, "# here\n")
	link, dangling := filepath.Join(t.TempDir(), "link"), filepath.Join(t.TempDir(), "dangling")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(filepath.Join(t.TempDir(), "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	key := hostKey(t, "ed25519")
	if _, err := (HostKeys{Files: []string{link}}).Learn("h", key); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 || !strings.HasPrefix(readText(t, file), "# here\n|1|") {
		t.Errorf("link %v, %v; file %q", info.Mode(), err, readText(t, file))
	}
	for _, bad := range []string{dangling, os.DevNull, t.TempDir()} {
		if _, err := (HostKeys{Files: []string{bad}}).Learn("h", key); err == nil {
			t.Errorf("learned into %s", bad)
		}
	}
}

// A key that another file has is not learned again; a revoked one never.
func TestLearnLooksIntoAllFiles(t *testing.T) {
	key, revoked, other := hostKey(t, "ed25519"), hostKey(t, "ed25519"), hostKey(t, "ed25519")
	system := knownFile(t, plainLine("h", key)+plainLine("@revoked *", revoked))
	h := HostKeys{Files: []string{knownFile(t, ""), system}}
	if path, err := h.Learn("h", key); err != nil || path != system {
		t.Errorf("%q, %v", path, err)
	}
	_, err := h.Learn("g", revoked)
	wantCode(t, err, fault.HostKeyRevoked, system+":2")
	_, err = h.Replace("h", revoked)
	wantCode(t, err, fault.HostKeyRevoked)
	_, err = h.Learn("h", other)
	wantCode(t, err, fault.HostKeyChanged, system+":1")
	if text := readText(t, h.Files[0]); text != "" {
		t.Errorf("written: %q", text)
	}
}

func TestReplace(t *testing.T) {
	old, rsa, now := hostKey(t, "ed25519"), hostKey(t, "rsa"), hostKey(t, "ed25519")
	line := func(hosts string) string { return plainLine(hosts, old) }
	for _, c := range []struct{ name, before, after string }{
		{"plain", "# a\n" + line("h") + "# b\n", "# a\n# b\n"},
		{"hashed", hashedLine("h", old) + line("g"), line("g")},
		{"all types", line("h") + plainLine("h", rsa) + hashedLine("h", rsa), ""},
		{"several names", " \t" + line("g,H,10.0.0.1"), " \t" + line("g,10.0.0.1")},
		{"name twice", line("h,h"), ""},
		{"negations remain alone", line("h,!g"), ""},
		{"excluded name", line("*,!h"), line("*,!h")},
		{"markers stay", "@cert-authority " + line("h") + "@revoked " + line("h"), "@cert-authority " + line("h") + "@revoked " + line("h")},
		{"other ports stay", line("[h]:2222") + line("h"), line("[h]:2222")},
		{"no line end", line("g") + strings.TrimSpace(line("h")), line("g")},
		{"carriage returns", "# a\r\n" + strings.TrimSpace(line("g,h")) + " c\r\n", "# a\r\n" + strings.TrimSpace(line("g")) + " c\r\n"},
		{"nothing known", line("g"), line("g")},
		{"bad lines stay", "nonsense\nh ssh-ed25519 AAAA\n" + line("h"), "nonsense\nh ssh-ed25519 AAAA\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := knownFile(t, c.before)
			h := HostKeys{Files: []string{file}}
			paths, err := h.Replace("h", now)
			if err != nil || !slices.Equal(paths, h.Files) {
				t.Fatalf("%q, %v", paths, err)
			}
			if got, ok := strings.CutPrefix(readText(t, file), c.after); !ok || strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "|1|") {
				t.Errorf("became %q, want %q and a hashed line", readText(t, file), c.after)
			}
			if _, err := lookup(t, h, "h", 22).Check(now, noon); err != nil {
				t.Error(err)
			}
			if paths, err := h.Replace("h", now); err != nil || len(paths) > 0 {
				t.Errorf("again: %q, %v", paths, err)
			}
		})
	}
}

func TestReplaceInSeveralFiles(t *testing.T) {
	old, now := hostKey(t, "ed25519"), hostKey(t, "ed25519")
	h := HostKeys{Files: []string{knownFile(t, hashedLine("h", now)), knownFile(t, plainLine("h", old)), knownFile(t, plainLine("g", old))}}
	paths, err := h.Replace("h", now)
	if err != nil || !slices.Equal(paths, h.Files[1:2]) || readText(t, h.Files[1]) != "" {
		t.Errorf("%q, %v; second file %q", paths, err, readText(t, h.Files[1]))
	}
}

// A wildcard is not edited, and then nothing else is.
func TestReplaceLeavesWildcards(t *testing.T) {
	old, now := hostKey(t, "ed25519"), hostKey(t, "ed25519")
	for _, hosts := range []string{"*.example", "db.example,*.example", "d?.example,g"} {
		text := plainLine("db.example", old) + plainLine(hosts, old)
		h := HostKeys{Files: []string{knownFile(t, plainLine("db.example", old)), knownFile(t, text)}}
		paths, err := h.Replace("db.example", now)
		if err == nil || len(paths) > 0 || !strings.Contains(err.Error(), h.Files[1]+":2") || readText(t, h.Files[1]) != text || readText(t, h.Files[0]) != plainLine("db.example", old) {
			t.Errorf("%s: %q, %v", hosts, paths, err)
		}
	}
}

func TestAcceptNew(t *testing.T) {
	key, other, ca := hostKey(t, "ed25519"), hostKey(t, "ed25519"), hostSigner(t, "ed25519")
	file := filepath.Join(t.TempDir(), "known_hosts")
	h := HostKeys{Files: []string{file}, AcceptNew: true}
	before := lookup(t, h, "h", 22)
	if v, err := before.Check(key, noon); err != nil || v.Source != "learned: "+file || v.Fingerprint != ssh.FingerprintSHA256(key) {
		t.Fatalf("verdict %+v, %v", v, err)
	}
	_, err := before.Check(other, noon) // learned since that lookup
	wantCode(t, err, fault.HostKeyChanged, file+":1")
	_, err = lookup(t, h, "h", 22).Check(other, noon)
	wantCode(t, err, fault.HostKeyChanged, file+":1")
	if n := strings.Count(readText(t, file), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
	// An unknown authority's certificate is learned as its key; where an
	// authority is known, nothing is.
	if _, err := lookup(t, h, "c", 22).Check(certify(t, ca, other, nil, "c"), noon); err != nil {
		t.Error(err)
	}
	authority := knownFile(t, plainLine("@cert-authority *", ca.PublicKey())+plainLine("@revoked *", other))
	h.Files = append(h.Files, authority)
	_, err = lookup(t, h, "new", 22).Check(key, noon)
	wantCode(t, err, fault.HostKeyUnknown, authority+":1")
	_, err = lookup(t, h, "new", 22).Check(certify(t, ca, key, nil, "old"), noon)
	wantCode(t, err, fault.HostKeyChanged, authority+":1")
	_, err = lookup(t, h, "new", 22).Check(other, noon)
	wantCode(t, err, fault.HostKeyRevoked)
	// What cannot be written is not trusted.
	_, err = lookup(t, HostKeys{AcceptNew: true}, "h", 22).Check(key, noon)
	wantCode(t, err, fault.HostKeyUnknown, "cannot be learned")
	unknownOf(t, err)
}

// learnEnv names the file, host and key that a helper process learns.
const learnEnv = "TEST_LEARN"

// TestLearnHelper is the body of the helper processes.
func TestLearnHelper(t *testing.T) {
	fields := strings.Fields(os.Getenv(learnEnv))
	if len(fields) != 3 {
		t.Skip("not a helper")
	}
	raw, _ := base64.StdEncoding.DecodeString(fields[2])
	key, err := ssh.ParsePublicKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := (HostKeys{Files: fields[:1]}).Learn(fields[1], key); err != nil {
			t.Fatal(err)
		}
		if _, err := (HostKeys{Files: fields[:1]}).Learn(fmt.Sprint(fields[1], "-", os.Getpid(), "-", i), key); err != nil {
			t.Fatal(err)
		}
	}
}

// startLearnHelper begins TestLearnHelper in another process. Wine now and then
// fails to start one.
func startLearnHelper(t *testing.T, what string) *exec.Cmd {
	t.Helper()
	var err error
	for range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLearnHelper$")
		cmd.Env = append(os.Environ(), learnEnv+"="+what)
		if err = cmd.Start(); err == nil {
			return cmd
		}
	}
	t.Fatal(err)
	return nil
}

// Goroutines and processes that learn at once lose nothing and repeat nothing.
func TestLearnAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	key := hostKey(t, "ed25519")
	file := knownFile(t, "# first\n")
	var helpers []*exec.Cmd
	for range 3 {
		cmd := startLearnHelper(t, file+" h "+base64.StdEncoding.EncodeToString(key.Marshal()))
		helpers = append(helpers, cmd)
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			h := HostKeys{Files: []string{file}, AcceptNew: true}
			for _, host := range []string{"h", fmt.Sprint("g", i)} {
				k, err := h.Lookup(host, 22)
				if err == nil {
					_, err = k.Check(key, noon)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, cmd := range helpers {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	entries, bad := parseKnownHosts(file, []byte(readText(t, file)))
	of := findAbout(entries, "h").keys
	if want := 1 + 10 + 3*5; len(entries) != want || len(bad) > 0 || len(of) != 1 {
		t.Errorf("%d lines, %d of h, bad %v; want %d and 1", len(entries), len(of), bad, want)
	}
}

// Two keys for one new host: one is learned, the other is refused.
func TestAcceptNewOfTwoKeysAtOnce(t *testing.T) {
	h := HostKeys{Files: []string{filepath.Join(t.TempDir(), "known_hosts")}, AcceptNew: true}
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		key, known := hostKey(t, "ed25519"), lookup(t, h, "h", 22)
		wg.Go(func() { _, errs[i] = known.Check(key, noon) })
	}
	wg.Wait()
	refused := 0
	for _, err := range errs {
		if fault.CodeOf(err) == fault.HostKeyChanged {
			refused++
		}
	}
	if refused != len(errs)-1 || strings.Count(readText(t, h.Files[0]), "\n") != 1 {
		t.Errorf("errors %v", errs)
	}
}
