package profiles_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tunneld/profiles"
)

// deed is an edit of a text, and the same on the decoded document. The latter
// returns false where the document has no place for it.
type deed struct {
	text func(text []byte, i int) ([]byte, error)
	doc  func(doc map[string]any, i int) bool
	adds bool // nothing of the text goes
}

var deeds = []deed{
	{func(text []byte, _ int) ([]byte, error) { return profiles.SetKey(text, "enabled", "false") },
		func(doc map[string]any, _ int) bool { doc["enabled"] = false; return true }, false},
	{func(text []byte, _ int) ([]byte, error) { return profiles.SetKey(text, "server.port", "2022") },
		func(doc map[string]any, _ int) bool {
			server, ok := inner(doc, "server")
			if ok {
				server["port"] = int64(2022)
			}
			return ok
		}, false},
	{func(text []byte, i int) ([]byte, error) {
		return profiles.SetKey(text, fmt.Sprintf("forward.local[%d].enabled", i), "false")
	}, func(doc map[string]any, i int) bool {
		_, list := forwards(doc)
		if i >= len(list) {
			return false
		}
		f, ok := list[i].(map[string]any)
		if ok {
			f["enabled"] = false
		}
		return ok
	}, false},
	{func(text []byte, i int) ([]byte, error) {
		return profiles.RemoveKey(text, fmt.Sprintf("forward.local[%d]", i))
	}, func(doc map[string]any, i int) bool {
		table, list := forwards(doc)
		if i >= len(list) {
			return false
		}
		table["local"] = slices.Delete(list, i, i+1)
		return true
	}, false},
	{func(text []byte, _ int) ([]byte, error) { return addDB(text) },
		func(doc map[string]any, _ int) bool {
			table, ok := inner(doc, "forward")
			if !ok {
				return false
			}
			_, list := forwards(doc)
			if _, is := table["local"].([]any); !is && table["local"] != nil {
				return false
			}
			table["local"] = append(list, map[string]any{"name": "db", "listen": int64(5432), "target": "db:5432"})
			return true
		}, true},
}

// inner is a table of a document, made where it is not there.
func inner(doc map[string]any, name string) (map[string]any, bool) {
	if doc[name] == nil {
		doc[name] = map[string]any{}
	}
	table, ok := doc[name].(map[string]any)
	return table, ok
}

func forwards(doc map[string]any) (map[string]any, []any) {
	table, _ := doc["forward"].(map[string]any)
	list, _ := table["local"].([]any)
	return table, list
}

// decode reads a document, its lists of one type and no empty ones: an array
// of tables without items cannot be written as headers.
func decode(text []byte) (map[string]any, error) {
	doc := map[string]any{}
	_, err := toml.Decode(strings.TrimPrefix(string(text), "\ufeff"), &doc)
	return plainValue(doc).(map[string]any), err
}

func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = plainValue(value)
		}
	case []map[string]any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = plainValue(item)
		}
		return list
	case []any:
		for i, item := range v {
			v[i] = plainValue(item)
		}
	}
	return v
}

// isPart reports whether part is text with something left out.
func isPart(part, text []byte) bool {
	for _, c := range text {
		if len(part) > 0 && part[0] == c {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// FuzzEdit edits any TOML. What comes of it decodes to the same document but
// for the edit; every edit of a good profile can be done.
func FuzzEdit(f *testing.F) {
	every, err := os.ReadFile("testdata/every.toml")
	if err != nil {
		f.Fatal(err)
	}
	for which := range deeds {
		f.Add(string(every), byte(which), byte(0))
		f.Add(twoForwards, byte(which), byte(0))
		for _, test := range editTests {
			f.Add(test.old, byte(which), byte(which%2))
		}
	}
	env := environment()
	env.Home = filepath.Join(os.TempDir(), "ana") // absolute on every system
	l := &profiles.Loader{Dir: filepath.Join(os.TempDir(), "config"), State: filepath.Join(os.TempDir(), "state"), Env: env}
	f.Fuzz(func(t *testing.T, text string, which, index byte) {
		doc, err := decode([]byte(text))
		if err != nil {
			return
		}
		d, i := deeds[int(which)%len(deeds)], int(index%3)
		possible := d.doc(doc, i)
		got, err := d.text([]byte(text), i)
		if !possible {
			return // and whether that is an error is another question
		}
		if _, _, problems := l.Parse("", text); err != nil && len(problems) > 0 {
			return
		}
		if err != nil {
			t.Fatalf("deed %d, %d: %v\n%s", which, i, err, text)
		}
		if d.adds && !isPart([]byte(text), got) {
			t.Fatalf("deed %d, %d took away\n%s\n---\n%s", which, i, text, got)
		}
		after, err := decode(got)
		if err != nil {
			t.Fatalf("deed %d, %d: %v\n%s\n---\n%s", which, i, err, text, got)
		}
		same := cmpopts.IgnoreMapEntries(func(_ string, v any) bool { return isEmpty(v) })
		if diff := cmp.Diff(doc, after, cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), same); diff != "" {
			t.Fatalf("deed %d, %d: %s\n%s\n---\n%s", which, i, diff, text, got)
		}
	})
}

// isEmpty reports whether nothing is left of a list or table of forwards.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0 || (len(v) == 1 && isEmpty(v["local"]))
	}
	return false
}
