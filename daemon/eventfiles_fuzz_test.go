package daemon

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/control"
)

// Whatever is in a file: what is read of it is written and read again the same,
// and a line that comes after it is found.
func FuzzReadEvents(f *testing.F) {
	whole, _ := json.Marshal(info(1))
	f.Add(whole)
	f.Add(bytes.Clone(whole[:len(whole)/2]))
	f.Add([]byte("{}\nnull\n[]\n\x00\n\n"))
	f.Add(bytes.Repeat([]byte("x"), lineBytes+1))
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func(text []byte) (all []control.Event) {
			if err := readEvents(bytes.NewReader(text), func(e control.Event) bool { all = append(all, e); return true }); err != nil {
				t.Fatal(err)
			}
			return all
		}
		first := read(slices.Concat(text, []byte("\n"), whole, []byte("\n")))
		if len(first) == 0 || first[len(first)-1] != info(1) {
			t.Fatalf("the last line is lost: %+v", first)
		}
		var again bytes.Buffer
		for _, e := range first {
			line, err := json.Marshal(e)
			if err != nil {
				t.Skip() // a year that JSON cannot write
			}
			again.Write(append(line, '\n'))
		}
		if second := read(again.Bytes()); !cmp.Equal(first, second) {
			t.Error(cmp.Diff(first, second))
		}
	})
}
