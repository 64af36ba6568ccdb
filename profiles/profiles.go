// Package profiles reads the TOML files that a person edits, and says what
// changed between two readings.
//
// A configuration folder holds daemon.toml and one file per profile,
// profiles/NAME.toml. [Loader.Load] reads them all, strictly, and returns a
// [Set] of every good profile together with every [Problem] of every file: the
// place, the key, what is wrong and what was probably meant. A bad file never
// stops the good ones; its last good version stands in for it.
//
// The schema is one table: the tags on the fields of [Profile] and [Daemon],
// explained in schema.go. The decoder, the defaults, the checks and [Keys] all
// come from it, so a new key is a new field.
//
// [Diff] compares two sets and returns the smallest list of stops and starts,
// at the level of one forward.
//
// What a profile lacks about the way to its server comes from the entry of
// ssh_config for it, as far as server.ssh_config says so. A [Draft] is a whole
// profile made from ssh_config or from PuTTY.
//
// [Loader.Apply] edits a file as a person would: it changes what an [Edit] asks
// for and leaves every other byte, comments and all, as it is.
//
// The package reads files and keeps last good copies; it never reads the
// process's environment, which comes in through [Environment].
package profiles

import (
	"reflect"
	"time"
)

// Profile is what one file says, with every default filled in. It holds no
// runtime state.
type Profile struct {
	Name string // the file's stem

	Schema      int           `toml:"schema" default:"1" min:"1"`
	Description string        `toml:"description" format:"text"`
	Enabled     bool          `toml:"enabled" default:"true"`
	Start       string        `toml:"start" default:"always" enum:"always|on-demand|manual"`
	IdleTimeout time.Duration `toml:"idle_timeout" default:"5m" min:"1ms"`
	Server      Server        `toml:"server"`
	Link        Link          `toml:"link"`
	Auth        Auth          `toml:"auth"`
	HostKey     HostKey       `toml:"host_key"`
	Forwards    []Forward     `toml:"forward"` // in the order local, remote, dynamic, then as written
	X11         X11           `toml:"x11"`
	Shell       Shell         `toml:"shell"`
}

// The values of Profile.Start.
const (
	Always   = "always"
	OnDemand = "on-demand" // up only while it is used
	Manual   = "manual"    // once a person asks for it
)

// Equal reports whether p and other say the same.
func (p Profile) Equal(other Profile) bool { return reflect.DeepEqual(p, other) }

// Server is where the profile connects to, and by which way.
type Server struct {
	Host          string   `toml:"host" required:"true" format:"host"`
	Port          int      `toml:"port" default:"22" min:"1" max:"65535"`
	User          string   `toml:"user" auto:"the account's name; required in system profiles" format:"user"`
	SSHConfig     string   `toml:"ssh_config" default:"auto" format:"file-or:auto|none"`
	ProxyJump     []string `toml:"proxy_jump" format:"hop"`
	Proxy         string   `toml:"proxy" format:"proxy"`
	BindAddress   string   `toml:"bind_address" format:"ip"`
	AddressFamily string   `toml:"address_family" default:"any" enum:"any|inet|inet6"`
}

// Link is how the connection is made and kept. An empty list of algorithms
// means good defaults; "+name" adds to them.
type Link struct {
	ConnectTimeout    time.Duration `toml:"connect_timeout" default:"15s" min:"1ms"`
	Keepalive         time.Duration `toml:"keepalive" default:"15s" min:"1ms"`
	KeepaliveMisses   int           `toml:"keepalive_misses" default:"3" min:"1"`
	ReconnectMin      time.Duration `toml:"reconnect_min" default:"500ms" min:"1ms"`
	ReconnectMax      time.Duration `toml:"reconnect_max" default:"30s" min:"1ms"`
	RefusedRetry      time.Duration `toml:"refused_retry" default:"10m" min:"1ms"`
	Ciphers           []string      `toml:"ciphers" format:"algorithm"`
	Kex               []string      `toml:"kex" format:"algorithm"`
	MACs              []string      `toml:"macs" format:"algorithm"`
	HostKeyAlgorithms []string      `toml:"host_key_algorithms" format:"algorithm"`
}

// Auth is who we are to the server.
type Auth struct {
	Methods             []string `toml:"methods" default:"publickey" enum:"publickey|keyboard-interactive|password"`
	IdentityFiles       []string `toml:"identity_files" auto:"OpenSSH's names that exist, for user profiles" format:"file"`
	IdentitiesOnly      bool     `toml:"identities_only" auto:"true when identity_files is written"`
	CertificateFiles    []string `toml:"certificate_files" format:"file"`
	Agent               string   `toml:"agent" default:"auto" format:"file-or:auto|none"`
	Passphrase          string   `toml:"passphrase" default:"prompt" format:"secret"`
	Password            string   `toml:"password" default:"prompt" format:"secret"`
	PublicKeyAlgorithms []string `toml:"public_key_algorithms" format:"algorithm"`
	ForwardAgent        bool     `toml:"forward_agent" default:"false"`
	Answers             []Answer `toml:"answer"`

	// IdentityFilesWritten says that the profile or daemon.toml names
	// IdentityFiles: then a missing file is a mistake, and else just a name to
	// try.
	IdentityFilesWritten bool
}

// Answer replies to one keyboard-interactive question (RFC 4256).
type Answer struct {
	Prompt string `toml:"prompt" required:"true" format:"regexp"`
	Value  string `toml:"value" required:"true" format:"secret"`
}

// HostKey is how the server proves who it is.
type HostKey struct {
	Policy       string   `toml:"policy" default:"strict" enum:"strict|accept-new"`
	KnownHosts   []string `toml:"known_hosts" auto:"~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts (system: known_hosts in the state folder first)" format:"file"`
	Fingerprints []string `toml:"fingerprints" format:"fingerprint"`
	Alias        string   `toml:"alias" format:"host"`
	Update       bool     `toml:"update" auto:"false; true under accept-new"`
}

// X11 is where the server's graphical programs are shown.
type X11 struct {
	Enabled          bool          `toml:"enabled" default:"true"`
	Display          string        `toml:"display" format:"display"`
	XAuthority       string        `toml:"xauthority" format:"file"`
	Trusted          bool          `toml:"trusted" default:"false"`
	UntrustedTimeout time.Duration `toml:"untrusted_timeout" default:"0s"`
	RemoteDisplay    int           `toml:"remote_display" default:"0" max:"59535"`
	Apps             []App         `toml:"app"`
}

// App is a program on the server that opens windows here.
type App struct {
	Name       string `toml:"name" required:"true" format:"name"`
	Command    string `toml:"command" required:"true" format:"text"`
	Start      string `toml:"start" default:"manual" enum:"manual|always"`
	LoginShell bool   `toml:"login_shell" default:"false"`
	Trusted    bool   `toml:"trusted" auto:"as x11.trusted"`
}

// Shell is what sessions get.
type Shell struct {
	Enabled bool              `toml:"enabled" default:"true"`
	Command string            `toml:"command" format:"text"`
	Env     map[string]string `toml:"env" format:"text"`
}
