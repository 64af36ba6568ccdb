package profiles

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	validName        = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	validStem        = regexp.MustCompile(`^[a-z0-9_][a-z0-9._-]+$`)
	validFingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}=?$`)
	validMode        = regexp.MustCompile(`^0?[0-7]{3}$`)
	validDisplay     = regexp.MustCompile(`^[^\s]*:[0-9]+(\.[0-9]+)?$`)
	validVariable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// format checks a string that is not empty and returns it as the profile
// holds it. Strings without a format are only expanded.
func (r *reader) format(f field, s string) (string, error) {
	name, words, _ := strings.Cut(f.format, ":")
	switch name {
	case "text": // for people and other programs: kept as it is
		return s, nil
	case "regexp":
		return s, checkRegexp(s)
	case "name":
		return s, checkName(s)
	}
	expanded, err := r.env.expand(s)
	if err != nil {
		return "", err
	}
	if err := checkControl(expanded, name); err != nil {
		return "", err
	}
	switch name {
	case "file":
		return r.env.path(r.dir, expanded)
	case "file-or":
		for word := range strings.SplitSeq(words, "|") {
			if expanded == word {
				return expanded, nil
			}
		}
		return r.env.path(r.dir, expanded)
	case "secret":
		return r.secret(expanded)
	case "algorithm":
		return expanded, r.algorithm(f.key, expanded)
	}
	return expanded, checkFormat(name, expanded)
}

// checkFormat judges the formats that need nothing but the string.
func checkFormat(name, s string) error {
	switch name {
	case "host":
		return checkServerHost(s)
	case "user":
		return checkUser(s)
	case "hop":
		return checkHop(s)
	case "proxy":
		return checkProxy(s)
	case "ip":
		if _, err := netip.ParseAddr(s); err != nil {
			return fmt.Errorf("%q is not an IP address", s)
		}
	case "fingerprint":
		if !validFingerprint.MatchString(s) {
			return withHint("`ssh-keygen -lf FILE` prints it, as SHA256:...", "%q is not a fingerprint", s)
		}
	case "mode":
		if !validMode.MatchString(s) {
			return withHint(`write it as "0600"`, "%q is not a file mode", s)
		}
	case "display":
		if !validDisplay.MatchString(s) {
			return withHint(`write ":0" or "localhost:10.0"`, "%q is not a display", s)
		}
	}
	return nil
}

// checkControl finds what "C:\temp" becomes in TOML: a tab and "emp".
func checkControl(s, format string) error {
	i := strings.IndexFunc(s, isControl)
	if i < 0 {
		return nil
	}
	hint := ""
	if strings.HasPrefix(format, "file") || format == "secret" {
		hint = backslashHint(unescape(s))
	}
	return withHint(hint, "a control character (%U) in the value", rune(s[i]))
}

// unescape writes control characters as the escapes of TOML that make them.
func unescape(s string) string {
	return strings.NewReplacer("\b", `\b`, "\t", `\t`, "\n", `\n`, "\f", `\f`, "\r", `\r`, "\x1b", `\e`).Replace(s)
}

func checkName(s string) error {
	if !validName.MatchString(s) {
		return withHint("use letters, digits, . _ and -", "%q is not a name", s)
	}
	return nil
}

func checkRegexp(s string) error {
	if _, err := regexp.Compile(s); err != nil {
		return fmt.Errorf("not a regular expression: %w", err)
	}
	return nil
}

func checkServerHost(s string) error {
	host, port, found := strings.Cut(s, ":")
	switch {
	case strings.HasPrefix(s, "["):
		return withHint("write the IPv6 address without brackets, and the port as server.port", "%q is not a host", s)
	case found && isDigits(port):
		return withHint("write server.port = "+port, "%q is not a host", s)
	case strings.Contains(host, "@"):
		return withHint("write the user as server.user", "%q is not a host", s)
	}
	return checkHost(s)
}

// checkUser refuses what could do harm as a word of a command, as OpenSSH does
// since 9.6. A backslash, which Windows puts between domain and user, is none
// of that but at the end.
func checkUser(s string) error {
	const shell = "'\"`$;&|<>(){}[]*?!~ "
	if strings.HasPrefix(s, "-") || strings.HasSuffix(s, `\`) || strings.ContainsAny(s, shell) || !isPrintable(s) {
		return fmt.Errorf("%q is not a user", s)
	}
	return nil
}

func isPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// checkHop judges one jump host: profile:NAME or [user@]host[:port].
func checkHop(s string) error {
	if name, ok := strings.CutPrefix(s, "profile:"); ok {
		return checkStem(name)
	}
	if user, host, found := strings.Cut(s, "@"); found {
		if user == "" || checkUser(user) != nil {
			return fmt.Errorf("%q is not a user", user)
		}
		s = host
	}
	if err := checkHost(s); err == nil || !isASCII(s) {
		return err
	}
	a, err := ParseAddress(s)
	if err != nil || a.Network != TCP || a.Port == 0 || isDigits(s) {
		return withHint("write profile:NAME or [user@]host[:port]", "%q is not a jump host", s)
	}
	return nil
}

func checkProxy(s string) error {
	hint := "write socks5://host:port, http://host:port or command:ARGV"
	if argv, ok := strings.CutPrefix(s, "command:"); ok {
		return checkCommand(argv)
	}
	u, err := url.Parse(s)
	if err != nil {
		return withHint(hint, "not a proxy")
	}
	if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 ||
		(u.Scheme != "socks5" && u.Scheme != "http") || checkHost(u.Hostname()) != nil {
		return withHint(hint, "not a proxy")
	}
	return nil
}

// redacted is a proxy without its password, for people to look at.
func redacted(proxy string) string {
	u, err := url.Parse(proxy)
	if err != nil || u.User == nil {
		return proxy
	}
	return u.Redacted()
}

func checkCommand(argv string) error {
	if strings.TrimSpace(argv) == "" {
		return errors.New("the command is empty")
	}
	return nil
}

// secret judges where a secret comes from, and makes a file's path absolute.
func (r *reader) secret(s string) (string, error) {
	source, rest, found := strings.Cut(s, ":")
	switch {
	case s == "prompt":
		return s, nil
	case source == "command" && found:
		return s, checkCommand(rest)
	case source == "file" && rest != "":
		file, err := r.env.path(r.dir, rest)
		return "file:" + file, err
	case source == "env" && validVariable.MatchString(rest):
		return s, nil
	case (source == "credential" || source == "keyring") && validName.MatchString(rest):
		return s, nil
	}
	// The value is not repeated: it may be the secret itself.
	return "", withHint("write prompt, env:NAME, file:PATH, command:ARGV, credential:NAME or keyring:NAME", "not a source of a secret")
}

// algorithm judges one name of a list such as ciphers.
func (r *reader) algorithm(key, s string) error {
	name := strings.TrimPrefix(s, "+")
	if !validAlgorithm(name) {
		return withHint(`write "name" or "+name"`, "%q is not the name of an algorithm", s)
	}
	known := r.known[key]
	for _, k := range known {
		if k == name {
			return nil
		}
	}
	if known == nil {
		return nil
	}
	return withHint(didYouMean(name, known), "unknown algorithm %q", name)
}

// validAlgorithm follows RFC 4251 section 6: printable ASCII, no comma, at
// most 64 bytes. Signs that mean something to OpenSSH are refused.
func validAlgorithm(s string) bool {
	if s == "" || len(s) > 64 || strings.ContainsAny(s[:1], "+-^") {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' }) < 0
}

// nameRule is what a profile may be called. A name that begins like a flag could
// be given to no command.
const nameRule = "a name is two or more of a-z 0-9 . _ -, with no - or . first"

// IsName reports whether a profile can have that name.
func IsName(s string) bool { return validStem.MatchString(s) }

// checkStem judges the name of a profile.
func checkStem(s string) error {
	if IsName(s) {
		return nil
	}
	if fixed := ValidName(s); fixed != "" {
		return withHint("rename it to "+fixed, "%s", nameRule)
	}
	return errors.New(nameRule)
}

// ValidName makes the name of a profile of a text, or "" where too little of it
// is left.
func ValidName(s string) string {
	fixed := strings.Trim(strings.Map(nameRune, strings.ToLower(s)), "-.")
	if !validStem.MatchString(fixed) {
		return ""
	}
	return fixed
}
