// Package control is the local API: what the daemon and its clients say to each
// other, and how they find and trust each other.
//
// [Listen] makes the Unix socket or named pipe, under a lock, so that two
// daemons never share one. [Serve] answers HTTP on it, out of a [Daemon].
// [Dial] is the other side: a [Client] with a method for every request, which
// talks to root and to the user's own daemon, and to nobody else.
//
// [Status] is the status document: what was observed of every profile and
// forward. [Event] is one thing that happened. These, [Prompt] and what else has
// JSON names are wire types, with nothing of the daemon's inside.
//
// Errors keep their fault.Code on the way: they travel as
// application/problem+json (RFC 9457) with the members code, message and hint.
package control
