// Package identity answers the two questions of a connection: who is the
// server, and who am I.
//
// The server: [HostKeys] names the known_hosts files and pins of a profile; its
// Lookup reads what is known of one server, and [Known] then offers the host
// key algorithms in the order of what is known and checks the key that the
// server shows (RFC 4251 section 4.1; sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
//
// The user: [Credentials] names the key files and the agent; its Login is one
// run through authentication (RFC 4252), which offers one key at a time, keeps
// what was tried and what the server answered, and tells at the end why it
// failed.
//
// Nothing here opens a connection to a server, asks a person, or logs; the only
// sockets it opens are the agent's.
package identity
