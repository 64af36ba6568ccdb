package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"tunneld/files"
	"tunneld/profiles"
)

func TestParseEnd(t *testing.T) {
	for arg, want := range map[string]end{
		"work:":         {"work", ""},
		"work:a":        {"work", "a"},
		"work:/a b:c":   {"work", "/a b:c"},
		"work.2-b_c:a":  {"work.2-b_c", "a"},
		"a":             {"", "a"},
		"":              {"", ""},
		":a":            {"", ":a"},
		"./x:y":         {"", "./x:y"},
		"/x:y":          {"", "/x:y"},
		"../work:a":     {"", "../work:a"},
		`C:\Users\ana`:  {"", `C:\Users\ana`},
		"c:file":        {"", "c:file"},
		`\\?\C:\x`:      {"", `\\?\C:\x`},
		"Work:a":        {"", "Work:a"},
		"my file:2":     {"", "my file:2"},
		"ana@host:file": {"", "ana@host:file"},
	} {
		if got := parseEnd(arg); got != want {
			t.Errorf("%q is %+v, want %+v", arg, got, want)
		}
	}
}

// An argument is a path here as it stands, or a profile and the rest.
func FuzzParseEnd(f *testing.F) {
	for _, arg := range []string{"work:a", "./x:y", `C:\x`, "::", "\xff:\xff", "a:b:c", "..:a"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		e := parseEnd(arg)
		switch {
		case e.profile == "" && e.path != arg:
			t.Errorf("%q became %q", arg, e.path)
		case e.profile != "" && (e.profile+":"+e.path != arg || !profiles.IsName(e.profile)):
			t.Errorf("%q became %+v", arg, e)
		}
	})
}

func TestParseTransfer(t *testing.T) {
	for line, want := range map[string]struct {
		transfer
		hint string
	}{
		"a b work:c":      {transfer{"work", true, []string{"a", "b"}, "c"}, ""},
		"work:a work:b .": {transfer{"work", false, []string{"a", "b"}, "."}, ""},
		"work:a edge:b":   {transfer{}, "copy to this machine first"},
		"a b":             {transfer{}, "one side is PROFILE:path"},
		"a work:b c":      {transfer{}, "one side is PROFILE:path"},
		"work:a b c":      {transfer{}, "one side is PROFILE:path"},
		"work:a edge:b c": {transfer{}, "one after the other"},
		"a work:b work:c": {transfer{}, "copy to this machine first"},
	} {
		got, err := parseTransfer(strings.Fields(line))
		var h hinted
		switch {
		case want.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.hint, want.hint)):
			t.Errorf("%s: %v, %q", line, err, h.hint)
		case want.hint == "" && (err != nil || got.profile != want.profile || got.up != want.up || got.target != want.target || !slices.Equal(got.sources, want.sources)):
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
}

func TestProgressLine(t *testing.T) {
	p := files.Progress{Path: "photos/2024/IMG_1.jpg", Done: 45e6, Total: 100e6}
	for width, want := range map[int]string{
		90: "photos/2024/IMG_1.jpg  [#########           ]  45%  45 MB  5.0 MB/s  0:11 left",
		72: "…2024/IMG_1.jpg  [#########           ]  45%  45 MB  5.0 MB/s  0:11 left",
		45: "…/IMG_1.jpg   45%  45 MB  5.0 MB/s  0:11 left",
		10: "   45%  45",
	} {
		if got := progressLine(p, 5e6, width); got != want {
			t.Errorf("%d:\n%q\n%q", width, got, want)
		}
	}
	for _, p := range []files.Progress{
		{}, {Path: "empty"}, {Path: "a\nb\x1b[31m", Done: 5, Total: 5}, {Path: "日本語のファイル", Done: 1, Total: 1 << 60}, {Path: "\xff"},
	} {
		for width := range 100 {
			line := progressLine(p, 0.6, width)
			if ansi.StringWidth(line) > width || strings.ContainsAny(line, "\n\x1b") {
				t.Errorf("%d: %q", width, line)
			}
		}
	}
}

// The bar says what failed above itself, waits in words, and leaves a summary.
func TestBar(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	b := &copyBar{out: &out, width: func() int { return 61 }, now: func() time.Time { return now }, start: now}
	for i := range int64(4) {
		b.move(files.Progress{Path: "a", Done: i * 1e6, Total: 3e6, Files: int(i / 3), Moved: i * 1e6})
		now = now.Add(time.Second)
	}
	b.say("tunneld: b: no")
	b.wait("work")
	b.end()
	lines := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\r' || r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	want := []string{
		"a  [                    ]   0%  0 B",
		"a  [######              ]  33%  1.0 MB  1.0 MB/s  0:02 left",
		"a  [#############       ]  67%  2.0 MB  1.0 MB/s  0:01 left",
		"a  [####################] 100%  3.0 MB  1.0 MB/s  0:00 left",
		"", "tunneld: b: no", "a  waiting for work to come back", "",
		"1 file, 3.0 MB in 0:04, 750 kB/s",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%q\nwant\n%q", lines, want)
	}
}

// In a pipe there is only what failed.
func TestBarInPipe(t *testing.T) {
	var out bytes.Buffer
	b := newCopyBar(&out, false)
	b.move(files.Progress{Path: "a", Done: 1, Total: 1, Files: 1, Moved: 1})
	b.wait("work")
	b.say("tunneld: b: no")
	b.end()
	if out.String() != "tunneld: b: no\n" {
		t.Errorf("%q", out.String())
	}
}

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0:00", 61 * time.Second: "1:01", 3723 * time.Second: "1:02:03", 100 * time.Hour: "100:00:00"} {
		if got := clock(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
