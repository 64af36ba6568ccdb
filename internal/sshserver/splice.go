package sshserver

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// splice joins a channel and a socket until both directions are over. EOF
// half-closes; an error, or the end of the connection, closes both.
func (c *conn) splice(stream ssh.Channel, requests <-chan *ssh.Request, socket net.Conn) {
	defer stream.Close()
	defer socket.Close()
	stop := context.AfterFunc(c.ctx, func() { socket.Close() })
	defer stop()
	c.work.Add(2)
	go c.watch(requests, socket)
	up := make(chan struct{})
	go c.upload(stream, socket, up)
	if _, err := io.Copy(stream, socket); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		stream.Close()
		socket.Close()
	} else {
		stream.CloseWrite()
	}
	<-up
}

// upload copies what the client sends, and closes done.
func (c *conn) upload(stream ssh.Channel, socket net.Conn, done chan<- struct{}) {
	defer c.work.Done()
	defer close(done)
	if _, err := io.Copy(socket, stream); err != nil {
		stream.Close()
		socket.Close()
		return
	}
	closeWrite(socket)
}

// watch answers the channel's requests. They end when the client closes the
// channel: then nobody reads any more what the socket says, while bytes of the
// client may still be on their way to it.
func (c *conn) watch(requests <-chan *ssh.Request, socket net.Conn) {
	defer c.work.Done()
	ssh.DiscardRequests(requests)
	socket.SetReadDeadline(time.Unix(1, 0))
}

// closeWrite sends EOF, on a socket that has no halves by closing it.
func closeWrite(socket net.Conn) {
	if half, ok := socket.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	socket.Close()
}
