// Package identity answers the two questions of a connection: who is the
// server, and who am I.
//
// The server: [HostKeys] names the known_hosts files and pins of a profile; its
// Lookup reads what is known of one server, and [Known] then offers the host
// key algorithms in the order of what is known and checks the key that the
// server shows (RFC 4251 section 4.1; sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
//
// The user: [Credentials] names the methods, the key files and certificates, the
// agent, and where secrets are kept; its [Login] is one run through
// authentication (RFC 4252), which offers one credential at a time, keeps what
// was tried and what the server answered, and tells at the end why it failed. A
// locked key is opened only when the server accepts its public half. A [Secret]
// is read by a [Source]; what only a person knows is asked of an [Asker] and
// kept in a [Memory].
//
// Nothing here opens a connection to a server, reads the environment, or logs;
// the only sockets it opens are the agent's and the keyring's.
package identity
