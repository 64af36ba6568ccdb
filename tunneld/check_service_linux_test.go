package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/profiles"
)

// Root is warned of what the service, which is another account, cannot read.
func TestCheckReadsAsTheService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to make another's files")
	}
	service, err := readerOf("nobody")
	if err != nil {
		t.Fatal(err)
	}
	const nobody, nogroup = 65534, 65534
	dir, err := os.MkdirTemp("", "tunneld") // which all may enter, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	put := func(name string, mode os.FileMode, uid, gid int) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	l := &profiles.Loader{Dir: dir}
	put("profiles/open.toml", 0o644, 0, 0)
	put("profiles/shut.toml", 0o600, 0, 0)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(put("others", 0o640, 0, 0), link); err != nil {
		t.Fatal(err)
	}
	keys := []string{put("own", 0o600, nobody, 0), put("group", 0o640, 0, nogroup), put("root", 0o600, 0, 0), link, filepath.Join(dir, "none")}
	for _, test := range []struct {
		profile string
		want    []string // of each problem
	}{
		{"open", []string{"cannot read " + keys[2], "cannot read " + link}},
		{"shut", []string{"cannot read it; chgrp nobody " + l.File("shut"), "chown nobody " + keys[2], link}},
	} {
		found := service.problems(l, []checkedProfile{{Name: test.profile, keys: keys}})
		if len(found) != len(test.want) {
			t.Errorf("%s: %v", test.profile, found)
			continue
		}
		for i, p := range found {
			if !p.Warning || !strings.Contains(p.Error(), test.want[i]) {
				t.Errorf("%s: %v, want %q", test.profile, p, test.want[i])
			}
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if found := service.problems(l, []checkedProfile{{Name: "open", keys: keys[:1]}}); len(found) != 2 {
		t.Errorf("in a folder that only root may enter: %v", found)
	}
}
