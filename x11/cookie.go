package x11

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
)

// magicCookie is the one authorization protocol spoken here: whoever knows the
// cookie is let in.
const magicCookie = "MIT-MAGIC-COOKIE-1"

// cookieSize is the length of a cookie that is made here, in bytes.
const cookieSize = 16

// Cookie is a secret that opens a display. The zero Cookie is none, and opens
// nothing. However it is printed, its value does not show.
type Cookie struct {
	value *string // behind a pointer: of an unexported field fmt prints the address
}

// NewCookie returns a cookie that nobody knows.
func NewCookie() Cookie {
	value := make([]byte, cookieSize)
	rand.Read(value) // never fails: it ends the program sooner
	return cookieOf(value)
}

// CookieFor returns the cookie of a place: always the same for the same secret,
// and of no use to guess that of another place.
func CookieFor(secret []byte, place string) Cookie {
	mac := hmac.New(sha256.New, secret)
	io.WriteString(mac, place)
	return cookieOf(mac.Sum(nil)[:cookieSize])
}

// ParseCookie reads the hexadecimal form, as xauth prints it.
func ParseCookie(text string) (Cookie, error) {
	value, err := hex.DecodeString(text)
	if err != nil || len(value) == 0 || len(value) > setupLimit {
		return Cookie{}, fmt.Errorf("cookie: want 1 to %d bytes in hexadecimal", setupLimit) // the error of hex would quote it
	}
	return cookieOf(value), nil
}

func cookieOf(value []byte) Cookie {
	s := string(value)
	return Cookie{&s}
}

// IsZero says whether c is no cookie.
func (c Cookie) IsZero() bool { return c.bytes() == "" }

// Hex returns the value, for whoever has to show it to a server.
func (c Cookie) Hex() string { return hex.EncodeToString([]byte(c.bytes())) }

// Equal compares in a time that says nothing about the values. The zero Cookie
// equals none, itself included.
func (c Cookie) Equal(other Cookie) bool {
	return !c.IsZero() && subtle.ConstantTimeCompare([]byte(c.bytes()), []byte(other.bytes())) == 1
}

// Format implements fmt.Formatter for every verb, and shows nothing.
func (c Cookie) Format(w fmt.State, _ rune) {
	fmt.Fprint(w, c.String())
}

// String says whether there is a cookie.
func (c Cookie) String() string {
	if c.IsZero() {
		return "no cookie"
	}
	return "(cookie)"
}

func (c Cookie) bytes() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

// Auth is what a client shows a display when it connects. The zero Auth shows
// nothing, which opens a display that lets its clients in by host or account.
type Auth struct {
	Name string // of the protocol: MIT-MAGIC-COOKIE-1
	Data Cookie
}

// magic is the Auth that shows c.
func magic(c Cookie) Auth { return Auth{Name: magicCookie, Data: c} }
