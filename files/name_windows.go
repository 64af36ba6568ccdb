package files

import (
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// nameHere reports whether a server's file may have its name here. A hostile server
// may send any. What Windows cannot write as it is (other bytes than UTF-8, a colon,
// a device, dots at the end) is refused, since it would become another name.
func nameHere(name string) error {
	if !utf8.ValidString(name) || !filepath.IsLocal(name) || strings.ContainsAny(name, `\:*?"<>|`) || strings.TrimRight(name, ". ") != name {
		return errName
	}
	return plainName(name)
}
