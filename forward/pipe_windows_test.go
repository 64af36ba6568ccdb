package forward_test

import (
	"net"
	"testing"

	"tunneld/fault"
	"tunneld/forward"
)

func TestPipe(t *testing.T) {
	const name = "tunneld-forward-test"
	ln := must[net.Listener](t)(forward.ListenPipe(name))
	serveEcho(t, ln)
	if _, err := forward.ListenPipe(name); fault.CodeOf(err) != fault.ListenInUse {
		t.Errorf("taken: %v", err)
	}
	c := must[net.Conn](t)(forward.DialPipe(t.Context(), `\\.\pipe\`+name))
	roundTrip(t, c, "hello")
	c.Close()
	if _, err := forward.DialPipe(t.Context(), name+"-none"); fault.CodeOf(err) != fault.TargetRefused {
		t.Errorf("nobody: %v", err)
	}
}
