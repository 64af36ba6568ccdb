package sshconfig

import "strings"

// takes says which part of a line is the value, and what a second line does.
type takes int

const (
	oneWord    takes = iota // the first word of the first line
	allWords                // the words of the first line, each a value
	everyWord               // the first word of each line
	everyLine               // each line, its words joined by a space
	restOfLine              // the first line as written: a command
)

// texts are the values on a line.
func (k keyword) texts(l line) []string {
	switch k.takes {
	case allWords:
		return l.args
	case everyLine:
		return []string{strings.Join(l.args, " ")}
	case restOfLine:
		return []string{l.rest}
	}
	return l.args[:1]
}

// expansion says which of its texts a keyword expands; see ssh_config(5), TOKENS
// and ENVIRONMENT VARIABLES.
type expansion int

const (
	nothing expansion = iota
	theHost           // %h is the host as asked for
	command           // %n and %r; %h, %p and %% are for whoever runs it
	hop               // %h %n %p %r
	path              // every token, ${NAME} and ~
	sockets           // every token and ${NAME}
)

// keyword is one that is carried over.
type keyword struct {
	name    string
	takes   takes
	expands expansion
}

// carried are the keywords that a profile can express.
var carried = byLowerName(
	keyword{"HostName", oneWord, theHost},
	keyword{"Port", oneWord, nothing},
	keyword{"User", oneWord, nothing},
	keyword{"IdentityFile", everyWord, path},
	keyword{"IdentitiesOnly", oneWord, nothing},
	keyword{"CertificateFile", everyWord, path},
	keyword{"IdentityAgent", oneWord, path},
	keyword{"ProxyJump", oneWord, hop},
	keyword{"ProxyCommand", restOfLine, command},
	keyword{"UserKnownHostsFile", allWords, path},
	keyword{"GlobalKnownHostsFile", allWords, nothing},
	keyword{"HostKeyAlias", oneWord, nothing},
	keyword{"StrictHostKeyChecking", oneWord, nothing},
	keyword{"UpdateHostKeys", oneWord, nothing},
	keyword{"ServerAliveInterval", oneWord, nothing},
	keyword{"ServerAliveCountMax", oneWord, nothing},
	keyword{"ConnectTimeout", oneWord, nothing},
	keyword{"BindAddress", oneWord, nothing},
	keyword{"AddressFamily", oneWord, nothing},
	keyword{"LocalForward", everyLine, sockets},
	keyword{"RemoteForward", everyLine, sockets},
	keyword{"DynamicForward", everyWord, nothing},
	keyword{"GatewayPorts", oneWord, nothing},
	keyword{"ForwardX11", oneWord, nothing},
	keyword{"ForwardX11Trusted", oneWord, nothing},
	keyword{"ForwardAgent", oneWord, nothing},
	keyword{"Ciphers", oneWord, nothing},
	keyword{"MACs", oneWord, nothing},
	keyword{"KexAlgorithms", oneWord, nothing},
	keyword{"HostKeyAlgorithms", oneWord, nothing},
	keyword{"PubkeyAcceptedAlgorithms", oneWord, nothing},
	keyword{"PreferredAuthentications", oneWord, nothing},
)

// renamed are former names.
var renamed = map[string]string{"pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms"}

// notice is why a known keyword is not carried over.
type notice struct {
	reason   string
	harmless bool
}

// left are the known keywords that a profile cannot express.
var left = notices(
	notice{"tunneld does not do this, and the way to the server is the same without it", true},
	"AddKeysToAgent", "BatchMode", "ChallengeResponseAuthentication", "ChannelTimeout", "CheckHostIP",
	"ClearAllForwardings", "Compression", "CompressionLevel", "ConnectionAttempts", "ControlMaster", "ControlPath", "ControlPersist",
	"EnableEscapeCommandline", "EnableSSHKeysign", "EscapeChar", "ExitOnForwardFailure", "FingerprintHash",
	"ForkAfterAuthentication", "ForwardX11Timeout", "GSSAPIAuthentication", "GSSAPIDelegateCredentials",
	"GSSAPIKeyExchange", "GSSAPITrustDNS", "HashKnownHosts", "HostbasedAuthentication", "IPQoS", "IgnoreUnknown", "KbdInteractiveAuthentication",
	"KbdInteractiveDevices", "LocalCommand", "LogLevel", "LogVerbose", "NoHostAuthenticationForLocalhost",
	"NumberOfPasswordPrompts", "ObscureKeystrokeTiming", "PasswordAuthentication", "PermitLocalCommand",
	"PermitRemoteOpen", "Protocol", "RekeyLimit", "RemoteCommand", "RequestTTY", "RequiredRSASize", "SendEnv",
	"SessionType", "SetEnv", "StdinNull", "StreamLocalBindMask", "StreamLocalBindUnlink", "SyslogFacility",
	"TCPKeepAlive", "Tag", "Tunnel", "TunnelDevice", "UseKeychain", "UsePrivilegedPort", "UseRoaming", "VerifyHostKeyDNS", "VisualHostKey",
	"WarnWeakCrypto", "XAuthLocation",
).and(
	notice{"tunneld cannot do this: write what it leads to into the profile", false},
	"BindInterface", "CanonicalDomains", "CanonicalizeFallbackLocal", "CanonicalizeHostname", "CanonicalizeMaxDots",
	"CanonicalizePermittedCNAMEs", "CASignatureAlgorithms", "HostbasedAcceptedAlgorithms", "KnownHostsCommand",
	"PKCS11Provider", "ProxyUseFdpass", "PubkeyAuthentication", "RevokedHostKeys", "SecurityKeyProvider",
)
