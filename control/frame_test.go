package control_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/control"
)

func frames(t testing.TB) []control.Frame {
	t.Helper()
	killed, err := control.Outcome{SessionExit: control.SessionExit{Signal: "KILL", Core: true, Reason: "r"}}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	lost := control.Frame{Stream: control.Exit, Data: []byte(`{"status":0,"error":{"code":"keepalive_lost","message":"m","hint":"h"}}`)}
	return []control.Frame{
		{Stream: control.Stdin, Data: []byte{}},
		{Stream: control.Stdout, Data: []byte("text")},
		{Stream: control.Stderr, Data: make([]byte, control.FrameLimit)},
		control.WindowSize{Columns: 80, Rows: 24, Width: 1, Height: 1 << 31}.Frame(),
		control.SignalFrame("USR1"),
		control.Grant{Stream: control.Stderr, Bytes: 1 << 20}.Frame(),
		lost, killed,
	}
}

func TestFrames(t *testing.T) {
	for _, f := range frames(t) {
		got, err := control.ParseFrame(f.Append(nil))
		if diff := cmp.Diff(f, got); diff != "" || err != nil {
			t.Errorf("%v%s", err, diff)
		}
	}
	// What is on the wire does not change.
	for want, f := range map[string]control.Frame{
		"\x00":  {Stream: control.Stdin},
		"\x01x": {Stream: control.Stdout, Data: []byte("x")},
		"\x03\x00\x00\x00\x50\x00\x00\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00": control.WindowSize{Columns: 80, Rows: 24}.Frame(),
		"\x04INT":                  control.SignalFrame("INT"),
		"\x06\x00\x00\x04\x00\x00": control.Grant{Stream: control.Stdin, Bytes: 256 << 10}.Frame(),
	} {
		if got := f.Append(nil); string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if f, err := (control.Outcome{SessionExit: control.SessionExit{Status: 3}}).Frame(); string(f.Append(nil)) != "\x05{\"status\":3}" || err != nil {
		t.Errorf("%q, %v", f.Append(nil), err)
	}
}

func TestBadFrames(t *testing.T) {
	for _, p := range []string{"", "\x07", "\xff12", "\x03123", "\x04", "\x05", "\x0612345678", "\x01" + string(make([]byte, control.FrameLimit+1))} {
		if f, err := control.ParseFrame([]byte(p)); err == nil {
			t.Errorf("%.20q is %v", p, f.Stream)
		}
	}
	bad := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Error(what)
		}
	}
	_, err := control.Frame{Stream: control.Stdin}.WindowSize()
	bad("stdin is a size", err)
	_, err = control.Frame{Stream: control.Credit, Data: []byte{5, 0, 0, 0, 1}}.Grant()
	bad("credit for exit", err)
	_, err = control.SignalFrame("TERM; rm").Signal()
	bad("a signal with words", err)
	_, err = control.Frame{Stream: control.Exit, Data: []byte("no")}.Outcome()
	bad("an exit that is no JSON", err)
}

// What was read is written and read to the same, and nothing panics.
func FuzzFrame(f *testing.F) {
	for _, frame := range frames(f) {
		f.Add(frame.Append(nil)[:min(100, len(frame.Data)+1)])
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		frame, err := control.ParseFrame(p)
		if err != nil {
			return
		}
		if again := frame.Append(nil); !bytes.Equal(again, p) {
			t.Fatalf("%q became %q", p, again)
		}
		if size, err := frame.WindowSize(); err == nil && !bytes.Equal(size.Frame().Data, frame.Data) {
			t.Fatalf("%q is the size %v", p, size)
		}
		if grant, err := frame.Grant(); err == nil && !bytes.Equal(grant.Frame().Data, frame.Data) {
			t.Fatalf("%q is the grant %v", p, grant)
		}
		if name, err := frame.Signal(); err == nil && !bytes.Equal(control.SignalFrame(name).Data, frame.Data) {
			t.Fatalf("%q is the signal %s", p, name)
		}
		if o, err := frame.Outcome(); err == nil {
			encoded, err := o.Frame()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := encoded.Outcome(); err != nil || !cmp.Equal(again, o) {
				t.Fatalf("%+v became %+v, %v", o, again, err)
			}
		}
	})
}

func TestCredit(t *testing.T) {
	var b control.Budget
	if b.Left() != 0 || b.Spend(1) == nil {
		t.Error("a budget without a grant")
	}
	if b.Add(1<<32-1) != nil || b.Add(1) == nil || b.Spend(-1) == nil || b.Left() <= 0 {
		t.Error("a budget without limits")
	}
	var l control.Ledger
	if l.Receive(1) == nil {
		t.Error("something came without a grant")
	}
	if n := l.Open(); n != control.StreamWindow || l.Receive(control.StreamWindow+1) == nil || l.Receive(-1) == nil {
		t.Errorf("opened with %d", n)
	}
	if _, err := l.Pass(1); err == nil {
		t.Error("passed on what did not come")
	}
}

// A sender and a receiver who follow the rules: no more than a window is ever on
// its way or waiting, and all of it can be sent in the end.
func FuzzCredit(f *testing.F) {
	f.Add([]byte{10, 200, 3, 255, 255, 255, 0, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var sender control.Budget
		var receiver control.Ledger
		grant := func(n uint32) {
			if err := sender.Add(n); err != nil {
				t.Fatal(err)
			}
		}
		waiting := 0
		grant(receiver.Open())
		pass := func(n int) {
			more, err := receiver.Pass(n)
			if err != nil {
				t.Fatal(err)
			}
			waiting -= n
			grant(more)
		}
		for i, step := range steps {
			n := int(step) * 1024
			if i%2 == 0 {
				n = min(n, sender.Left())
				if sender.Spend(n) != nil || receiver.Receive(n) != nil {
					t.Fatalf("%d bytes are too many", n)
				}
				waiting += n
			} else {
				pass(min(n, waiting))
			}
			if waiting+sender.Left() > control.StreamWindow {
				t.Fatalf("%d wait and %d may come", waiting, sender.Left())
			}
		}
		pass(waiting)
		if sender.Left() <= control.StreamWindow/2 {
			t.Fatalf("nothing waits, and only %d may be sent", sender.Left())
		}
	})
}
