package x11

import (
	"fmt"
	"strings"
)

// XauthCommand has the xauth of a server read what to do from its input: in a
// command line every account there would see the cookie.
const XauthCommand = "xauth -q -"

// XauthList is input that lists the entries for display number of that machine.
func XauthList(number int) string { return fmt.Sprintf("list unix:%d\n", number) }

// XauthAdd is input that gives programs on that machine the cookie for display
// number of its own, in place of an earlier one, and lists the entry. An entry
// "unix" is what Xlib and XCB look up for every name of the machine itself, such
// as localhost:7 and 127.0.0.1:7 (XauGetBestAuthByAddr: an address of loopback
// counts as the family local).
func XauthAdd(number int, c Cookie) string {
	return fmt.Sprintf("add unix:%d . %s\n", number, c.Hex()) + XauthList(number)
}

// XauthRemove is input that takes the entry back.
func XauthRemove(number int) string { return fmt.Sprintf("remove unix:%d\n", number) }

// XauthListed returns the cookies of the entries that xauth listed for display
// number, the zero Cookie for one of another protocol. What else is in the output,
// such as what a shell says first, is passed over.
func XauthListed(output string, number int) []Cookie {
	var listed []Cookie
	for line := range strings.Lines(output) {
		f := strings.Fields(line) // HOST/unix:7  MIT-MAGIC-COOKIE-1  HEX
		if len(f) != 3 || !strings.HasSuffix(f[0], fmt.Sprintf("/unix:%d", number)) {
			continue
		}
		var c Cookie
		if f[1] == magicCookie {
			c, _ = ParseCookie(f[2]) // else the zero one, as of no other use
		}
		listed = append(listed, c)
	}
	return listed
}
