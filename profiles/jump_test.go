package profiles_test

import "testing"

func through(hop string) string {
	return smallest + "server.proxy_jump = ['" + hop + "', 'ana@gw.example.com:2222']\n"
}

func TestJumps(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": through("profile:bb"), "profiles/bb.toml": through("profile:cc"), "profiles/cc.toml": through("gw")})
	if set := load(t, l); names(set) != "aa bb cc" {
		t.Error(names(set))
	}
	// The edited one closes the circle, so its last good version goes on.
	write(t, l, "profiles/cc.toml", through("profile:aa"))
	set, problems := l.Load()
	want := "profiles/cc.toml:2:22: server.proxy_jump[0]: the jumps lead in a circle: cc → aa → bb → cc; one of them must reach its server in another way"
	if lines(problems) != want || names(set) != "aa bb cc (last_good)" {
		t.Errorf("%s: %s", names(set), lines(problems))
	}
	// One whose file is gone is missed.
	remove(t, l, "profiles/cc.toml")
	set, problems = l.Load()
	want = "profiles/bb.toml:2:22: server.proxy_jump[0]: there is no profile cc"
	if lines(problems) != want || names(set) != "aa" {
		t.Errorf("%s: %s", names(set), lines(problems))
	}
	// One whose file is bad is there.
	write(t, l, "profiles/cc.toml", bad)
	if set, _ := l.Load(); names(set) != "aa bb" {
		t.Error(names(set))
	}
}

func TestCircleOfTwo(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": through("profile:bb"), "profiles/bb.toml": through("profile:aa")})
	set, problems := l.Load()
	want := "profiles/bb.toml:2:22: server.proxy_jump[0]: the jumps lead in a circle: bb → aa → bb; one of them must reach its server in another way"
	if lines(problems) != want || names(set) != "aa" {
		t.Errorf("%s: %s", names(set), lines(problems))
	}
}
