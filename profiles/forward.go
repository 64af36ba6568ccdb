package profiles

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// Kind says who listens and who dials.
type Kind string

// The kinds of forward, in the order of [Profile].Forwards.
const (
	Local   Kind = "local"   // listens here, dials on the server
	Remote  Kind = "remote"  // listens on the server, dials here
	Dynamic Kind = "dynamic" // listens here, dials on the server where each client asks
)

// Kinds returns every kind, in order.
func Kinds() []Kind { return []Kind{Local, Remote, Dynamic} }

// Forward is one [[forward.KIND]] of a profile. A key that names kinds exists
// in those alone.
type Forward struct {
	Kind Kind

	Name           string        `toml:"name" auto:"kind-port" format:"name"`
	Listen         Address       `toml:"listen" required:"true"`
	Target         Address       `toml:"target" kinds:"local|remote" required:"true"`
	Enabled        bool          `toml:"enabled" default:"true"`
	Hold           time.Duration `toml:"hold" kinds:"local|dynamic" default:"10s"`
	MaxConnections int           `toml:"max_connections" default:"0"`
	Probe          time.Duration `toml:"probe" kinds:"local|remote" default:"0s"`
	Mode           string        `toml:"mode" kinds:"local|dynamic" default:"0600" format:"mode"`
}

// ListensHere reports whether the forward binds an address of this machine.
func (f Forward) ListensHere() bool { return f.Kind != Remote }

// defaultName is the kind with the port, or with the last part of the path.
func (f Forward) defaultName() string {
	if f.Listen.Network == TCP {
		return string(f.Kind) + "-" + strconv.Itoa(f.Listen.Port)
	}
	base := path.Base(strings.ReplaceAll(f.Listen.Path, `\`, "/"))
	return string(f.Kind) + "-" + strings.Map(nameRune, base)
}

// nameRune replaces what a name may not hold.
func nameRune(r rune) rune {
	if r < 0x80 && validName.MatchString(string(r)) {
		return r
	}
	return '-'
}
