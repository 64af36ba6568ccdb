package fault

// Code is a stable word for one kind of failure.
type Code string

// The codes. Their groups, hints and reactions stand in the table below.
const (
	DNSFailed         Code = "dns_failed"
	ConnectRefused    Code = "connect_refused"
	ConnectTimeout    Code = "connect_timeout"
	Unreachable       Code = "unreachable"
	JumpFailed        Code = "jump_failed"
	ProxyFailed       Code = "proxy_failed"
	NotSSH            Code = "not_ssh"
	NoCommonAlgorithm Code = "no_common_algorithm"
	HandshakeTimeout  Code = "handshake_timeout"
	ServerBusy        Code = "server_busy"

	HostKeyUnknown       Code = "host_key_unknown"
	HostKeyChanged       Code = "host_key_changed"
	HostKeyRevoked       Code = "host_key_revoked"
	KnownHostsUnreadable Code = "known_hosts_unreadable"

	NeedsPassphrase     Code = "needs_passphrase"
	NeedsPassword       Code = "needs_password"
	NeedsCode           Code = "needs_code"
	BadPassphrase       Code = "bad_passphrase"
	KeyUnreadable       Code = "key_unreadable"
	KeyPermissions      Code = "key_permissions"
	AgentUnavailable    Code = "agent_unavailable"
	AuthRejected        Code = "auth_rejected"
	TooManyAuthFailures Code = "too_many_auth_failures"

	KeepaliveLost  Code = "keepalive_lost"
	ClosedByServer Code = "closed_by_server"
	NetworkChanged Code = "network_changed"

	ListenInUse         Code = "listen_in_use"
	ListenDenied        Code = "listen_denied"
	RemotePortBusy      Code = "remote_port_busy"
	RemoteForwardDenied Code = "remote_forward_denied"
	TargetRefused       Code = "target_refused"
	TargetTimeout       Code = "target_timeout"
	TargetDenied        Code = "target_denied"
	HoldExpired         Code = "hold_expired"
	ProbeFailed         Code = "probe_failed"

	X11NoDisplay           Code = "x11_no_display"
	X11DisplayRefused      Code = "x11_display_refused"
	X11ServerRefused       Code = "x11_server_refused"
	X11NoSecurityExtension Code = "x11_no_security_extension"
	X11SecurityOpen        Code = "x11_security_open"
	X11BadCookie           Code = "x11_bad_cookie"
	X11Expired             Code = "x11_expired"

	PtyDenied       Code = "pty_denied"
	SessionDenied   Code = "session_denied"
	CommandNotFound Code = "command_not_found"

	BadProfile       Code = "bad_profile"
	UnknownProfile   Code = "unknown_profile"
	DaemonNotRunning Code = "daemon_not_running"
	DaemonRunning    Code = "daemon_running"
	PermissionDenied Code = "permission_denied"
	ServiceFailed    Code = "service_failed"
)

// Reaction is what a link does after a failure.
type Reaction int

const (
	// Retry waits for the backoff and dials again, for ever.
	Retry Reaction = iota
	// Refuse waits for refused_retry: trying at once would be useless or harmful.
	Refuse
	// Ask waits for a person.
	Ask
)

// Entry is one line of the table.
type Entry struct {
	Code     Code
	Group    string // transport, host key, auth, link, forward, X11, session, local
	Reaction Reaction
	Hint     string
}

// Table returns every code, in the order of the documentation.
func Table() []Entry { return append([]Entry(nil), table...) }

// Hint returns what to do about c, or "" for a code that is not in the table.
func (c Code) Hint() string { return c.entry().Hint }

// Group returns the part of the program that c belongs to.
func (c Code) Group() string { return c.entry().Group }

// Reaction returns what a link does after c.
func (c Code) Reaction() Reaction { return c.entry().Reaction }

func (c Code) entry() Entry {
	for _, e := range table {
		if e.Code == c {
			return e
		}
	}
	return Entry{}
}

var table = []Entry{
	{DNSFailed, "transport", Retry, "check server.host for a typing mistake, and that this machine can resolve it"},
	{ConnectRefused, "transport", Retry, "the machine answers but nothing listens there: check server.port, and that sshd runs"},
	{ConnectTimeout, "transport", Retry, "nothing answers at that address: check the address, the network, and firewalls in between"},
	{Unreachable, "transport", Retry, "there is no route to the server now: check the network; it is tried again and again"},
	{JumpFailed, "transport", Retry, "the way there is broken: mend the named hop first"},
	{ProxyFailed, "transport", Retry, "check server.proxy, its user and password, and that the proxy may reach the server"},
	{NotSSH, "transport", Retry, "something other than an SSH server answers there: check server.host and server.port"},
	{NoCommonAlgorithm, "transport", Refuse, "name what the server offers in [link] ciphers, kex, macs or host_key_algorithms, as \"+name\""},
	{HandshakeTimeout, "transport", Retry, "the server accepts connections but does not answer: it may be overloaded, or connect_timeout too short"},
	{ServerBusy, "transport", Refuse, "the server turns connections away (MaxStartups or PerSourcePenalties in its sshd_config): wait, or ask its administrator"},

	{HostKeyUnknown, "host key", Ask, "compare the fingerprint with the administrator, then: tunneld trust PROFILE"},
	{HostKeyChanged, "host key", Refuse, "compare with the administrator first, this may be another machine; then: tunneld trust PROFILE --replace --fingerprint SHA256:..."},
	{HostKeyRevoked, "host key", Refuse, "the key is marked @revoked: do not connect; ask the administrator for the server's new key"},
	{KnownHostsUnreadable, "host key", Refuse, "make the known_hosts file readable for the account that runs tunneld"},

	{NeedsPassphrase, "auth", Ask, "the key has a passphrase: tunneld unlock PROFILE, or auth.passphrase, or ssh-add the key"},
	{NeedsPassword, "auth", Ask, "the server wants a password: tunneld unlock PROFILE, or auth.password"},
	{NeedsCode, "auth", Ask, "the server wants an answer that only a person can give: tunneld unlock PROFILE"},
	{BadPassphrase, "auth", Refuse, "the stored passphrase does not open the key: correct it where it is stored"},
	{KeyUnreadable, "auth", Refuse, "check the path in auth.identity_files and that the account that runs tunneld can read it"},
	{KeyPermissions, "auth", Refuse, "others can read the private key: chmod 600 the file"},
	{AgentUnavailable, "auth", Retry, "start ssh-agent, check SSH_AUTH_SOCK or auth.agent, or name a key in auth.identity_files"},
	{AuthRejected, "auth", Refuse, "add the key to the server's authorized_keys, or name another key in auth.identity_files or another server.user"},
	{TooManyAuthFailures, "auth", Refuse, "the server counts every offered key: name the right one in auth.identity_files"},

	{KeepaliveLost, "link", Retry, "the connection went silent; tunneld dials again by itself"},
	{ClosedByServer, "link", Retry, "the connection ended; tunneld dials again by itself; the server's log may say why"},
	{NetworkChanged, "link", Retry, "the network changed; tunneld dials again by itself"},

	{ListenInUse, "forward", Retry, "another program has the port: end it (ss -ltnp shows it) or choose another listen address"},
	{ListenDenied, "forward", Retry, "the account may not listen there: ports under 1024 need a privilege; check the address too"},
	{RemotePortBusy, "forward", Retry, "the port is taken on the server, often by the connection before this one: it is tried again until it is free"},
	{RemoteForwardDenied, "forward", Retry, "the server refuses to listen: check AllowTcpForwarding and PermitListen in its sshd_config, permitlisten on the key, and that the port is free"},
	{TargetRefused, "forward", Retry, "nothing listens at the target, as seen from where it is dialled: check target and the program behind it"},
	{TargetTimeout, "forward", Retry, "the target does not answer: check target and the firewalls on the way to it"},
	{TargetDenied, "forward", Retry, "the server forbids this target: check AllowTcpForwarding and PermitOpen in its sshd_config, and permitopen on the key"},
	{HoldExpired, "forward", Retry, "the link did not come back in time: tunneld's log says why; hold sets how long a connection waits"},
	{ProbeFailed, "forward", Retry, "the forward listens, but what it leads to did not answer the probe: check target and the program behind it"},

	{X11NoDisplay, "X11", Retry, "set x11.display, or run tunneld display in the desktop session"},
	{X11DisplayRefused, "X11", Retry, "the display refused the connection: check x11.xauthority and that the display is the right one"},
	{X11ServerRefused, "X11", Retry, "the server refuses X11: check X11Forwarding in its sshd_config, that xauth is installed there, and the key's options"},
	{X11NoSecurityExtension, "X11", Retry, "the display cannot restrict clients: set x11.trusted = true if the server's programs may see everything"},
	{X11SecurityOpen, "X11", Retry, "the display lets anyone in: use -Y once, set x11.trusted = true, or run xhost -si:localuser:USER"},
	{X11BadCookie, "X11", Retry, "a program came with a cookie of no session of ours and was turned away"},
	{X11Expired, "X11", Retry, "untrusted_timeout is over: start the program again"},

	{PtyDenied, "session", Retry, "the server gives no terminal: check PermitTTY in its sshd_config and the key's options"},
	{SessionDenied, "session", Retry, "the server gives no session: MaxSessions in its sshd_config may be reached"},
	{CommandNotFound, "session", Retry, "the program is not on the server's PATH: give its full path"},

	{BadProfile, "local", Refuse, "mend the profile: tunneld check names the lines"},
	{UnknownProfile, "local", Refuse, "tunneld check lists the profiles"},
	{DaemonNotRunning, "local", Retry, "start it: tunneld run"},
	{DaemonRunning, "local", Refuse, "a daemon already runs with this folder: stop it first"},
	{PermissionDenied, "local", Refuse, "the account may not do this"},
	{ServiceFailed, "local", Refuse, "the service manager refuses: tunneld service status, and the machine's log, say more"},
}
