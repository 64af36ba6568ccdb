package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// A hundred shells at once through one daemon, which holds nothing of them
// afterwards.
func TestHundredShells(t *testing.T) {
	t.Parallel()
	p, metrics := startMeasured(t, map[string]string{"work": server(bare(t, "MaxSessions 100"))})
	p.link(0, "work", "up")
	p.shells(1) // what stays from the first one is for all
	before := p.footprint(metrics)
	p.shells(100)
	sshtest.Eventually(t, patience, "the goroutines and files from before", func() bool {
		now := p.footprint(metrics)
		return now.goroutines <= before.goroutines+5 && now.descriptors <= before.descriptors+5 // a hundred of each would be left
	})
	p.observe("work", "no session", func(p control.Profile) bool { return p.Sessions == 0 })
}

// shells runs n shells that are open at the same time; each says its number and
// ends with it.
func (p *process) shells(n int) {
	p.t.Helper()
	var open, over sync.WaitGroup
	open.Add(n)
	for i := range n {
		over.Go(func() { p.shellOf(i, &open) })
	}
	over.Wait()
}

// shellOf is one of them: it ends when all are open.
func (p *process) shellOf(i int, open *sync.WaitGroup) {
	in, typed := io.Pipe()
	said, out := io.Pipe()
	defer typed.Close()
	go func() {
		text := ""
		for buf := make([]byte, 4096); !strings.Contains(text, "open\r\n"); {
			n, err := said.Read(buf)
			if text += string(buf[:n]); err != nil {
				p.t.Errorf("%d: %v after %q", i, err, text)
				break
			}
		}
		open.Done()
		open.Wait()
		go io.Copy(io.Discard, said)
		fmt.Fprintf(typed, "exit %d\r", i)
	}()
	request := control.SessionRequest{Command: "stty -echo; echo open; exec sh", Terminal: &control.Terminal{Type: "vt100", Size: control.WindowSize{Columns: 80, Rows: 24}}}
	exit, err := p.client().Session(p.t.Context(), "work", request, control.SessionStreams{Stdin: in, Stdout: out})
	out.Close()
	if err != nil || exit.Status != uint32(i) {
		p.t.Errorf("%d: %+v, %v", i, exit, err)
	}
}
