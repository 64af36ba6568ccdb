package putty_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tunneld/profiles/putty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t testing.TB, text string) putty.Session {
	t.Helper()
	s, err := putty.Parse("lab", "sessions/lab", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := parse(t, "HostName=h=x\r\nPortNumber=22\nnonsense\nPortNumber=2222\nEmpty=\nBad=x1\n")
	if s.Text("HostName") != "h=x" || s.Number("PortNumber") != 2222 || s.Settings["PortNumber"].Line != 4 || s.Number("Bad") != 0 || s.Text("none") != "" {
		t.Errorf("%+v", s)
	}
	if _, err := putty.Parse("x", "x", strings.NewReader(strings.Repeat("x", 1<<17))); err == nil {
		t.Error("a line without an end was read")
	}
}

func TestForwards(t *testing.T) {
	const open = "LocalPortAcceptAll=1\nRemotePortAcceptAll=1\n"
	for _, c := range []struct{ before, text, want string }{
		{"", "", ""},
		{"", "L5432=db:5432,R8080=localhost:80,D1080=", "L 5432 db:5432; R 8080 localhost:80; D 1080 "},
		{"", "4L1=a:2,6L1=a:2,4R1=a:2,6D7", "L 127.0.0.1:1 a:2; L [::1]:1 a:2; R 1 a:2; D [::1]:7 "},
		{"", "L10.0.0.1:1=[::1]:2,L*:3=::1:4", "L 10.0.0.1:1 [::1]:2; L 0.0.0.0:3 [::1]:4"},
		{"", "L5432\tdb:5432", "L 5432 db:5432"},
		{"", `L1=a\:\\:2`, `L 1 [a:\]:2`},
		{open, "L1=a:2,6L1=a:2,R3=b:4,D5", "L 0.0.0.0:1 a:2; L [::]:1 a:2; R 0.0.0.0:3 b:4; D 0.0.0.0:5 "},
		{"", "X1=a:2,L=a:2,4,L1,L1=a,L70000=a:1,L0=a:1,D1", "D 1 ; 7 bad"},
	} {
		all, bad := parse(t, c.before+"PortForwardings="+c.text+"\n").Forwards()
		var got []string
		for _, f := range all {
			got = append(got, fmt.Sprintf("%c %s %s", f.Kind, f.Listen, f.Target))
		}
		if bad != nil {
			got = append(got, fmt.Sprintf("%d bad", len(bad)))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: got %s, want %s", c.text, text, c.want)
		}
	}
}

func TestSessions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the sessions are in the registry")
	}
	home := t.TempDir()
	if all, err := putty.Sessions(home); all != nil || err != nil {
		t.Error(all, err)
	}
	for _, dir := range []string{".putty", ".config/putty"} {
		path := filepath.Join(home, dir, "sessions")
		if err := os.MkdirAll(filepath.Join(path, "folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"b%20b%", "Default%20Settings"} {
			if err := os.WriteFile(filepath.Join(path, name), []byte("HostName="+dir+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all, err := putty.Sessions(home)
		if err != nil || len(all) != 2 || all[0].Name != "Default Settings" || all[1].Name != "b b%" || all[1].Text("HostName") != dir {
			t.Errorf("%+v, %v", all, err)
		}
	}
}

// FuzzForwards reads any text; every forward has a kind and both ends.
func FuzzForwards(f *testing.F) {
	f.Add("L5432=db:5432,4R8080=localhost:80,D1080=")
	f.Add("6L[::1]:1=\\,:2,R*:1\t*:2")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := putty.Parse("x", "x", strings.NewReader("PortForwardings="+text))
		if err != nil {
			return
		}
		all, _ := s.Forwards()
		for _, f := range all {
			if f.Listen == "" || (f.Target == "") != (f.Kind == putty.Dynamic) || !strings.ContainsRune("LRD", rune(f.Kind)) {
				t.Fatalf("%q: %+v", text, f)
			}
		}
	})
}

func Example() {
	file := strings.NewReader("HostName=db.example.com\nPortNumber=22\nPortForwardings=L5432=localhost:5432\n")
	s, err := putty.Parse("db", "db", file)
	if err != nil {
		panic(err)
	}
	forwards, _ := s.Forwards()
	fmt.Println(s.Text("HostName"), forwards[0].Listen, forwards[0].Target)
	// Output: db.example.com 5432 localhost:5432
}
