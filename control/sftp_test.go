package control_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
)

// copies is a daemon whose SFTP sessions are pipes of a test.
type copies struct {
	fake
	open func(profile string) (control.Pipe, error)
}

func (f *copies) SFTP(_ context.Context, profile string) (control.Pipe, error) {
	return f.open(profile)
}

// halfPipe is one end of a net.Pipe, which has no half-close, as a Pipe.
type halfPipe struct{ net.Conn }

func (halfPipe) CloseWrite() error { return nil }

// Bytes go both ways, and a client that leaves ends the session.
func TestSFTPCarriesBytes(t *testing.T) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	s := serve(t, &copies{open: func(string) (control.Pipe, error) { return halfPipe{theirs}, nil }})
	p, err := s.client.SFTP(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	_ = ours.SetDeadline(time.Now().Add(time.Minute))
	for from, to := range map[io.Writer]io.Reader{p: ours, ours: p} {
		if _, err := from.Write([]byte("words")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(to, got); err != nil || string(got) != "words" {
			t.Errorf("%q, %v", got, err)
		}
	}
	p.Close()
	if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client left: %v", err)
	}
}

func TestSFTPRefused(t *testing.T) {
	s := serve(t, &copies{open: func(profile string) (control.Pipe, error) {
		return nil, fault.New(fault.SessionDenied, fault.Session, "%s has no subsystem sftp", profile)
	}})
	_, err := s.client.SFTP(t.Context(), "a/b")
	wantCode(t, err, fault.SessionDenied)
	if fault.As(err).Message != "a/b has no subsystem sftp" {
		t.Error(err)
	}
}
