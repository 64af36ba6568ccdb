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

// withPeer keeps who is at the other end of c. Whether they may ask was decided
// by the socket's mode or the pipe's access list.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	p, err := peerOf(c)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}
