package daemon

import (
	"fmt"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

// What somebody brings has to be a display of this machine, and short; its
// cookie is in no message.
func TestOffered(t *testing.T) {
	const cookie = "00112233445566778899aabbccddeeff"
	for name, good := range map[string]bool{
		":0": true, ":17.2": true, "unix:3": true, "localhost:10.0": true, "127.0.0.1:0": true, "127.9.9.9:0": true, "[::1]:0": true,
		"": false, ":": false, ":x": false, "desk:0": false, "192.0.2.1:0": false, "[2001:db8::1]:0": false,
		"localhost.example.com:0": false, "/run/some.sock:0": false, ":" + strings.Repeat("0", offeredName): false,
	} {
		at, err := offered(t.Context(), control.DisplayOffer{Display: name, Cookie: cookie})
		if (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil && (fault.CodeOf(err) != fault.X11NoDisplay || strings.Contains(err.Error(), cookie)) {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			if auth, _ := at.auth(t.Context()); auth.Data.Hex() != cookie || at.from != fromCaller {
				t.Errorf("%q: %v", name, at)
			}
		}
	}
	for _, bad := range []string{"xyz", "0", strings.Repeat("00", 257)} {
		_, err := offered(t.Context(), control.DisplayOffer{Display: ":0", Cookie: bad})
		if fault.CodeOf(err) != fault.X11NoDisplay || strings.Contains(err.Error(), bad) {
			t.Errorf("cookie %.9q: %v", bad, err)
		}
	}
	o := control.DisplayOffer{Display: ":0", Cookie: cookie}
	if text := fmt.Sprintf("%v %+v %#v %s %q %v", o, o, &o, o, o, control.X11Request{Display: &o}); strings.Contains(text, cookie) {
		t.Errorf("printed as %s", text)
	}
}

// Who named the display counts in this order.
func TestSeatOrder(t *testing.T) {
	brought, handed := seatNamed(t, ":2"), seatNamed(t, ":3")
	s := &seats{}
	choose := func(p profiles.X11, brought *seat) string {
		at, err := s.choose(p, brought)
		if err != nil {
			return string(fault.CodeOf(err))
		}
		return at.from + " " + at.display.String()
	}
	for _, step := range []struct {
		change  func()
		want    string // of a profile that names none
		brought string
	}{
		{func() {}, "x11_no_display", "caller :2"},
		{func() { s.me.UsualDisplay = "127.0.0.1:0" }, "default 127.0.0.1:0", "caller :2"},
		{func() { s.me.Display = ":4" }, "environment :4", "caller :2"},
		{func() { s.hand(handed) }, "handed :3", "caller :2"},
	} {
		step.change()
		if got := choose(profiles.X11{}, nil); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
		if got := choose(profiles.X11{}, &brought); got != step.brought {
			t.Errorf("got %s, want %s", got, step.brought)
		}
		if got := choose(profiles.X11{Display: ":1"}, &brought); got != "profile :1" {
			t.Errorf("got %s, want the profile's", got)
		}
	}
}

func seatNamed(t *testing.T, name string) seat {
	t.Helper()
	at, err := offered(t.Context(), control.DisplayOffer{Display: name})
	if err != nil {
		t.Fatal(err)
	}
	return at
}
