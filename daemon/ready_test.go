package daemon

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

// arrived waits for a channel.
func arrived(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
}

// silent checks that nothing comes while something else is sure not to be over.
func silent(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		t.Fatalf("%s came too soon", what)
	default:
	}
}

// profileAt has a server that does not answer, and a local forward.
func profileAt(listen string) string {
	return "server = { host = '127.0.0.1', port = 1, user = 'ana' }\nauth.agent = 'none'\n" +
		"[[forward.local]]\nlisten = '" + listen + "'\ntarget = 80\n"
}

// Ready waits for the local ports, not for the servers, and a port that is in
// use does not keep it waiting.
func TestReadyWaitsForLocalPorts(t *testing.T) {
	sshtest.Leaks(t)
	let, asked, ready := make(chan struct{}), make(chan string, 2), make(chan struct{})
	s := &Supervisor{
		Loader: loaderOf(t, map[string]string{"one": profileAt("127.0.0.1:4001"), "two": profileAt("127.0.0.1:4002")}),
		Ready:  func() { close(ready) },
		Listen: func(ctx context.Context, _ *net.ListenConfig, network, address string) (net.Listener, error) {
			asked <- address
			if address == "127.0.0.1:4001" {
				return nil, fault.New(fault.ListenInUse, fault.Forward, "in use")
			}
			<-let
			return net.Listen(network, "127.0.0.1:0")
		},
	}
	sshtest.Run(t, s)
	<-asked
	<-asked
	silent(t, "ready", ready)
	close(let)
	arrived(t, "ready", ready)
}

// The address of metrics counts too, whether it can be had or not.
func TestReadyWaitsForMetrics(t *testing.T) {
	sshtest.Leaks(t)
	for _, failing := range []error{nil, fault.New(fault.ListenInUse, fault.Forward, "in use")} {
		let, asked, ready := make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
		loader := loaderOf(t, nil)
		if err := os.WriteFile(filepath.Join(loader.Dir, "daemon.toml"), []byte("metrics = '127.0.0.1:4001'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		sshtest.Run(t, &Supervisor{
			Loader: loader,
			Ready:  func() { close(ready) },
			Listen: func(ctx context.Context, _ *net.ListenConfig, network, _ string) (net.Listener, error) {
				asked <- struct{}{}
				<-let
				if failing != nil {
					return nil, failing
				}
				return net.Listen(network, "127.0.0.1:0")
			},
		})
		<-asked
		silent(t, "ready", ready)
		close(let)
		arrived(t, "ready", ready)
	}
}

// Only the goroutine that starts and stops tunnels answers the pulse: while it
// is stuck, nobody does.
func TestPulseIsTheOwners(t *testing.T) {
	sshtest.Leaks(t)
	pulse, alive := make(chan time.Time), make(chan struct{}, 1)
	s := &Supervisor{Loader: loaderOf(t, nil), Pulse: pulse, Alive: func() { alive <- struct{}{} }}
	sshtest.Run(t, s)
	pulse <- time.Time{}
	arrived(t, "the answer", alive)
	stuck, let, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- s.ask(t.Context(), func(context.Context) error { close(stuck); <-let; return nil })
	}()
	<-stuck
	select {
	case pulse <- time.Time{}:
		t.Error("a stuck owner took the pulse")
	case <-time.After(50 * time.Millisecond): // nobody else could take it later either
	}
	close(let)
	if err := <-over; err != nil {
		t.Error(err)
	}
	pulse <- time.Time{}
	arrived(t, "the answer", alive)
}

// A forward that waits has not settled; any other state has.
func TestSettle(t *testing.T) {
	for state, want := range map[forward.State]bool{forward.Waiting: false, forward.Listening: true, forward.Retrying: true, forward.Stopped: true} {
		r := &running{settled: newSettling(), spec: profiles.Forward{}}
		r.settle(state)
		r.settle(state)
		select {
		case <-r.settled.over:
			if !want {
				t.Errorf("%s: settled", state)
			}
		default:
			if want {
				t.Errorf("%s: not settled", state)
			}
		}
	}
}
