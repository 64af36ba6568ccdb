package x11

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestCookie(t *testing.T) {
	a, b := NewCookie(), NewCookie()
	if len(a.Hex()) != 32 || a.Equal(b) || !a.Equal(a) {
		t.Errorf("%s and %s", a.Hex(), b.Hex())
	}
	again := must[Cookie](t)(ParseCookie(strings.ToUpper(a.Hex())))
	if !again.Equal(a) || again.IsZero() {
		t.Error("its hexadecimal form is another cookie")
	}
	var none Cookie
	if !none.IsZero() || none.Equal(none) || none.Equal(a) || a.Equal(none) {
		t.Error("no cookie equals one")
	}
	for _, text := range []string{"", "0", "xx", strings.Repeat("00", 257)} {
		if _, err := ParseCookie(text); err == nil || text != "" && len(text) < 9 && strings.Contains(err.Error(), text+"\"") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// However a cookie is printed, and what holds it, its value does not show.
func TestCookieStaysSecret(t *testing.T) {
	value := "0123456789abcdef"
	c := cookieOf([]byte(value))
	auth := magic(c)
	hidden := struct{ auth Auth }{auth}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("x", "cookie", c, "auth", auth, "hidden", hidden, "pointer", &auth)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cookie", c, "auth", auth, "hidden", hidden)
	text, err := json.Marshal([]any{c, auth, &auth})
	shown := []string{log.String(), string(text), fmt.Sprint(err)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%T %p"} {
		for _, v := range []any{c, &c, auth, &auth, hidden, &hidden, []Cookie{c}, map[string]any{"c": c}, setup{auth: auth}, Record{Auth: auth}, &Grant{Cookie: c}} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	for _, text := range shown {
		for _, secret := range []string{value, c.Hex(), strings.ToUpper(c.Hex()), "[48 49 50", "0x30, 0x31", "MDEyMzQ1"} {
			if strings.Contains(text, secret) {
				t.Errorf("shows the cookie: %s", text)
			}
		}
	}
}
