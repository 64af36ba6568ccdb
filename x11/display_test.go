package x11

import (
	"strings"
	"testing"

	"tunneld/fault"
)

func TestParseDisplay(t *testing.T) {
	for _, c := range []struct {
		name   string
		want   Display
		string string // where it differs from name
	}{
		{":0", Display{}, ""},
		{":12", Display{Number: 12}, ""},
		{":12.3", Display{Number: 12, Screen: 3}, ""},
		{":12.0", Display{Number: 12}, ":12"},
		{"unix:4", Display{Number: 4}, ":4"},
		{"localhost:10.0", Display{Host: "localhost", Number: 10}, "localhost:10"},
		{"desk.example.com:1", Display{Host: "desk.example.com", Number: 1}, ""},
		{"tcp/desk:1", Display{Host: "desk", Number: 1}, "desk:1"},
		{"tcp/unix:1", Display{Host: "unix", Number: 1}, ""},
		{"127.0.0.1:0", Display{Host: "127.0.0.1"}, ""},
		{"[::1]:2.1", Display{Host: "::1", Number: 2, Screen: 1}, ""},
		{"tcp/[fe80::1%eth0]:2", Display{Host: "fe80::1%eth0", Number: 2}, "[fe80::1%eth0]:2"},
		{":59535", Display{Number: 59535}, ""},
		{
			"/private/tmp/com.apple.launchd.a1/org.xquartz:0",
			Display{Socket: "/private/tmp/com.apple.launchd.a1/org.xquartz:0"}, "",
		},
		{"/run/x:3.1", Display{Socket: "/run/x:3", Number: 3, Screen: 1}, ""},
	} {
		d, err := ParseDisplay(c.name)
		if err != nil || d != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, d, err, c.want)
		}
		if want := c.name; c.string == "" && d.String() != want || c.string != "" && d.String() != c.string {
			t.Errorf("%s: String is %s", c.name, d)
		}
	}
}

func TestParseDisplayRefuses(t *testing.T) {
	for _, name := range []string{
		"", ":", "0", "host", "host:", ":x", ":-1", ":+1", ":1.", ":1.x", ":1.256", ":59536", ":99999999999999999999",
		"host::0", "::1:0", "[::1:0", "[127.0.0.1]:0", "[x]:0", "tcp/:0", "udp/host:0", "a b:0", "host/unix:0", " :0", ":0 ",
		"wayland-0", "host\x00:0",
	} {
		d, err := ParseDisplay(name)
		if err == nil {
			t.Errorf("%q is %+v, want an error", name, d)
			continue
		}
		wantCode(t, err, fault.X11NoDisplay)
		if !strings.Contains(fault.HintOf(err), ":0") {
			t.Errorf("%q: hint %q", name, fault.HintOf(err))
		}
	}
}

func FuzzParseDisplay(f *testing.F) {
	for _, name := range []string{":0", "unix:1.2", "tcp/[::1]:3", "/x:0.1", "h:1"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		d, err := ParseDisplay(name)
		if err != nil {
			return
		}
		again, err := ParseDisplay(d.String())
		if err != nil || again != d {
			t.Errorf("%q is %+v, %v is %+v, %v", name, d, d, again, err)
		}
	})
}
