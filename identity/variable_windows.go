package identity

import "strings"

// sameVariable reports whether two names are those of one variable: Windows
// knows no case in them.
func sameVariable(a, b string) bool { return strings.EqualFold(a, b) }
