// Package access knows who may change a file of the machine's tunneld: which of
// Windows' accounts it trusts, what their access lists say and who this process
// is; elsewhere, what is mounted so that nobody may.
package access

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// ServiceName is the name of the service on every system.
const ServiceName = "tunneld"

// ServiceSID is the SID that Windows gives to a service of this name, and to its
// virtual account, NT SERVICE\name: the SHA-1 of the name in capitals, in UTF-16
// ([MS-DTYP], section 2.4.2.4, and `sc showsid`). The service need not exist.
func ServiceSID(name string) string {
	h := sha1.New()
	_ = binary.Write(h, binary.LittleEndian, utf16.Encode([]rune(strings.ToUpper(name)))) // a hash takes everything
	sum := h.Sum(nil)
	sid := "S-1-5-80"
	for ; len(sum) > 0; sum = sum[4:] {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum))
	}
	return sid
}
