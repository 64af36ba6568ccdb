package control

import (
	"net"
	"testing"
)

// counted counts the writes of a connection.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

func TestCorkKeepsWhatBelongsTogether(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	conn := &counted{Conn: near}
	c := &cork{ReadWriteCloser: conn}
	got := make(chan string)
	read := func() {
		p := make([]byte, 16)
		n, _ := far.Read(p)
		got <- string(p[:n])
	}
	c.hold()
	c.hold()
	for _, text := range []string{"a", "b", "c"} {
		if n, err := c.Write([]byte(text)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := c.release(); err != nil || conn.writes != 0 {
		t.Fatal(err, conn.writes)
	}
	go read()
	if err := c.release(); err != nil || conn.writes != 1 {
		t.Fatal(err, conn.writes)
	}
	if text := <-got; text != "abc" {
		t.Error(text)
	}
	go read()
	if _, err := c.Write([]byte("d")); err != nil || <-got != "d" || conn.writes != 2 {
		t.Error(err, conn.writes)
	}
}
