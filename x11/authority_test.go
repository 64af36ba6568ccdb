package x11

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// record is one with a cookie of that text.
func record(family Family, address, number, cookie string) Record {
	return Record{Family: family, Address: address, Number: number, Auth: magic(cookieOf([]byte(cookie)))}
}

func fileOf(t testing.TB, records ...Record) []byte {
	t.Helper()
	var data []byte
	for _, r := range records {
		data = must[[]byte](t)(AppendRecord(data, r))
	}
	return data
}

func TestFind(t *testing.T) {
	const v4, v6 = "\xc0\x00\x02\x07", "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
	here := addresses{number: "3", local: true, host: "desk"}
	there := addresses{number: "3", ips: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}}
	loopback := addresses{number: "3", local: true, host: "desk", ips: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	other := record(Local, "desk", "3", "xdm")
	other.Auth.Name = "XDM-AUTHORIZATION-1"
	for name, c := range map[string]struct {
		at      addresses
		records []Record
		want    string
	}{
		"nothing":              {here, nil, ""},
		"local":                {here, []Record{record(Local, "desk", "2", "a"), record(Local, "desk", "3", "b")}, "b"},
		"the first":            {here, []Record{record(Local, "desk", "3", "a"), record(Local, "desk", "3", "b")}, "a"},
		"every number":         {here, []Record{record(Local, "desk", "", "a")}, "a"},
		"wild":                 {here, []Record{record(Wild, "", "", "w")}, "w"},
		"wild, other number":   {here, []Record{record(Wild, "", "4", "w")}, ""},
		"wild over TCP":        {there, []Record{record(Wild, "x", "3", "w")}, "w"},
		"renamed":              {here, []Record{record(Local, "old", "3", "a"), record(Local, "old", "4", "b")}, "a"},
		"renamed, two":         {here, []Record{record(Local, "old", "3", "a"), record(Local, "older", "3", "b")}, ""},
		"renamed, but match":   {here, []Record{record(Local, "old", "3", "a"), record(Local, "desk", "3", "b")}, "b"},
		"renamed over TCP":     {there, []Record{record(Local, "old", "3", "a")}, ""},
		"internet":             {there, []Record{record(Internet, "\xc0\x00\x02\x08", "3", "a"), record(Internet, v4, "3", "b")}, "b"},
		"internet6":            {there, []Record{record(Internet6, v6, "3", "b")}, "b"},
		"the wrong family":     {there, []Record{record(Internet6, v4, "3", "b"), record(Internet, v6, "3", "b"), record(77, v4, "3", "c")}, ""},
		"a short address":      {there, []Record{record(Internet, v4[:3], "3", "b"), record(Internet, "", "3", "b")}, ""},
		"local is not there":   {there, []Record{record(Local, "desk", "3", "a")}, ""},
		"loopback is local":    {loopback, []Record{record(Local, "desk", "3", "a")}, "a"},
		"loopback by address":  {loopback, []Record{record(Internet, "\x7f\x00\x00\x01", "3", "a")}, "a"},
		"another protocol":     {here, []Record{other}, ""},
		"another protocol too": {here, []Record{other, record(Local, "desk", "3", "a")}, "a"},
	} {
		auth, found := c.at.find(c.records)
		if got := auth.Data.bytes(); got != c.want || found != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, found, c.want)
		}
	}
}

// What xauth writes is read, and what is written here xauth reads.
func TestAuthorityWithXauth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Xauthority")
	cookies := map[string]string{}
	for _, name := range []string{":7", "localhost:8", "192.0.2.7:1", "[2001:db8::7]:2"} {
		cookies[name] = sshtest.NewXCookie()
		sshtest.AddXCookie(t, path, name, cookies[name])
	}
	cookies["unix:7"], cookies[":7.3"] = cookies[":7"], cookies[":7"]
	cookies["127.0.0.1:8"], cookies["[::1]:8"] = cookies["localhost:8"], cookies["localhost:8"]
	cookies[":9"] = "" // no record
	for name, want := range cookies {
		auth, err := LoadAuth(t.Context(), path, must[Display](t)(ParseDisplay(name)))
		if err != nil || auth.Data.Hex() != want {
			t.Errorf("%s: %s, %v; want %s", name, auth.Data.Hex(), err, want)
		}
	}
	data := must[[]byte](t)(os.ReadFile(path))
	records := must[[]Record](t)(ReadAuthority(data))
	if again := fileOf(t, records...); !bytes.Equal(again, data) {
		t.Errorf("round trip %q, want %q", again, data)
	}
	listed := sshtest.XCommand("", path, "xauth", "-n", "list")
	if out := string(must[[]byte](t)(listed.Output())); strings.Count(out, magicCookie) != 4 {
		t.Errorf("xauth lists %s", out)
	}
}

// A display that starts again has another cookie: the file is read anew.
func TestLoadAuthReadsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Xauthority")
	d := Display{Number: 5}
	if auth, err := LoadAuth(t.Context(), path, d); err != nil || auth != (Auth{}) {
		t.Errorf("no file: %v, %v", auth, err)
	}
	for range 2 {
		cookie := sshtest.NewXCookie()
		sshtest.AddXCookie(t, path, ":5", cookie)
		if auth, err := LoadAuth(t.Context(), path, d); err != nil || auth.Data.Hex() != cookie {
			t.Errorf("%v, %v", auth.Data.Hex(), err)
		}
	}
}

func TestLoadAuthBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Xauthority")
	good := fileOf(t, record(Wild, "", "5", "good"))
	write := func(data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(append(bytes.Clone(good), 1, 0, 0))
	if auth, err := LoadAuth(t.Context(), path, Display{Number: 5}); err != nil || auth.Data.bytes() != "good" {
		t.Errorf("before the cut: %v, %v", auth, err)
	}
	_, err := LoadAuth(t.Context(), path, Display{Number: 6})
	wantCode(t, err, fault.X11DisplayRefused)
	if !errors.Is(err, ErrTruncated) {
		t.Errorf("after the cut: %v", err)
	}
	write(bytes.Repeat(good, authorityLimit/len(good)+1))
	_, err = LoadAuth(t.Context(), path, Display{Number: 5})
	wantCode(t, err, fault.X11DisplayRefused)
	_, err = LoadAuth(t.Context(), t.TempDir(), Display{})
	wantCode(t, err, fault.X11DisplayRefused)
}

func TestAppendRecordTooLong(t *testing.T) {
	data, err := AppendRecord([]byte("before"), Record{Number: strings.Repeat("1", 1<<16)})
	if err == nil || string(data) != "before" {
		t.Errorf("%q, %v", data, err)
	}
}

func FuzzReadAuthority(f *testing.F) {
	f.Add(fileOf(f, record(Local, "desk", "0", "0123456789abcdef"), record(Wild, "", "", "")))
	f.Add([]byte{1, 0, 0, 4, 'd'})
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := ReadAuthority(data)
		again := fileOf(t, records...)
		if !bytes.HasPrefix(data, again) || err == nil && len(again) != len(data) {
			t.Errorf("round trip %q, want %q", again, data)
		}
		if err != nil && !errors.Is(err, ErrTruncated) {
			t.Error(err)
		}
	})
}
