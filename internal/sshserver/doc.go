// Package sshserver is a small SSH server inside the process, on loopback.
//
// It serves what a tunnel needs: public keys, direct-tcpip channels, remote
// forwards. It starts no process and opens no shell, so it is safe to run as
// anybody:
//
//	srv := &sshserver.Server{AuthorizedKeys: []ssh.PublicKey{key}}
//	if err := srv.Listen(); err != nil { ... }
//	go serve(ctx, srv) // srv.Serve(ctx) until ctx ends
//	dial(srv.Addr(), srv.HostKeys())
//
// A zero Server is well behaved. Its func fields are hooks, and each lets a
// test make it misbehave at one step of a connection: before the version line
// ([Server.Accepted]), in authentication ([Server.PublicKey] and its
// neighbours), at a global request ([Server.Request]) or at the opening of a
// channel ([Server.Open]). Hooks run while their connection waits, and must
// return once it is closed.
//
// What clients did is kept: [Server.Attempts] tells who tried to authenticate
// and how, [Server.Opened] which channels were asked for and from where.
package sshserver
