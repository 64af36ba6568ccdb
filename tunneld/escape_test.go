package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// typeIn reads what of input is for the server, and what was asked for.
func typeIn(t testing.TB, char byte, input io.Reader) (typed, asked string) {
	t.Helper()
	r := &escapeReader{in: input, state: escapes{char: char}, act: func(e escapeKey) { asked += fmt.Sprintf("%q", byte(e)) }}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), asked
}

func TestEscapes(t *testing.T) {
	for _, c := range []struct {
		char                byte
		input, typed, asked string
	}{
		{'~', "ls\r", "ls\r", ""},
		{'~', "~.", "", "'.'"},
		{'~', "ls ~.\r", "ls ~.\r", ""},
		{'~', "ls\r~?~#\n~\x1a", "ls\r\n", "'?''#''\\x1a'"},
		{'~', "~~.", "~.", ""},
		{'~', "~x~.", "~x~.", ""},
		{'~', "a\r~", "a\r", ""}, // until the next key says what it is
		{0, "~.\r~.", "~.\r~.", ""},
		{0x1d, "\x1d.~.", "~.", "'.'"},
		{'~', "\xff\x00\x1b[200~.\r", "\xff\x00\x1b[200~.\r", ""}, // a paste's brackets
	} {
		for name, in := range map[string]io.Reader{"at once": strings.NewReader(c.input), "byte by byte": iotest.OneByteReader(strings.NewReader(c.input))} {
			if typed, asked := typeIn(t, c.char, in); typed != c.typed || asked != c.asked {
				t.Errorf("%q %s: %q, %q, want %q, %q", c.input, name, typed, asked, c.typed, c.asked)
			}
		}
	}
}

func TestEscapeChar(t *testing.T) {
	for text, want := range map[string]byte{"none": 0, "~": '~', "^]": 0x1d, "%": '%'} {
		if got, err := parseEscapeChar(text); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ab", " ", "\x01", "ä"} {
		if _, err := parseEscapeChar(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// Without escapes nothing is changed; with them no byte is made up or lost but
// those of escapes, however the input is cut.
func FuzzEscapes(f *testing.F) {
	f.Add([]byte("ls\r~.x\n~~y~?"), byte('~'))
	f.Fuzz(func(t *testing.T, input []byte, char byte) {
		if typed, asked := typeIn(t, 0, bytes.NewReader(input)); typed != string(input) || asked != "" {
			t.Fatalf("%q became %q", input, typed)
		}
		whole, asked := typeIn(t, char, bytes.NewReader(input))
		cut, askedCut := typeIn(t, char, iotest.OneByteReader(bytes.NewReader(input)))
		if whole != cut || asked != askedCut || len(whole) > len(input) {
			t.Fatalf("%q: %q %q, byte by byte %q %q", input, whole, asked, cut, askedCut)
		}
	})
}
