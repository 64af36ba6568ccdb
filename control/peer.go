package control

import (
	"context"
	"net"
)

// Peer is the process at the other end of a connection.
type Peer struct {
	User string // the uid in decimal, on Windows the SID
	PID  int    // 0 where the system does not tell
}

// peerKey is the place of a Peer in a context.
type peerKey struct{}

// PeerOf returns who made the request that ctx belongs to. ok is false where
// the system does not tell.
func PeerOf(ctx context.Context) (p Peer, ok bool) {
	p, ok = ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// admitsOf returns who may ask of those whom the socket's mode or the pipe's access
// list let in: all, unless the listener says otherwise.
func admitsOf(l net.Listener) func(Peer) bool {
	if strict, ok := l.(interface{ admits(Peer) bool }); ok {
		return strict.admits
	}
	return func(Peer) bool { return true }
}

// withPeer keeps who is at the other end of c.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	p, err := peerOf(c)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}
