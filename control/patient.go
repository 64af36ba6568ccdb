package control

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// sign is how often a client whose bytes nobody takes is looked after.
const sign = 2 * time.Second

// patientPipe is the far end of a relay. While it takes nothing, nobody reads from
// the near end and would see its end; so a sign is sent there, and once that
// fails, this end is closed, which releases the write.
type patientPipe struct {
	Pipe
	near  *socketPipe
	timer *time.Timer

	waiting, gone atomic.Bool // a write takes its time; the near end is no more
}

func newPatientPipe(far Pipe, near *socketPipe) *patientPipe {
	p := &patientPipe{Pipe: far, near: near}
	p.timer = time.AfterFunc(sign, p.look)
	p.timer.Stop() // until a write waits
	return p
}

// Write implements Pipe.
func (p *patientPipe) Write(b []byte) (int, error) {
	p.waiting.Store(true)
	p.timer.Reset(sign)
	n, err := p.Pipe.Write(b)
	p.waiting.Store(false)
	p.timer.Stop()
	if err != nil && p.gone.Load() {
		err = fmt.Errorf("%s is gone: %w", p.near.peer, io.ErrUnexpectedEOF)
	}
	return n, err
}

// look sends a sign while a write waits.
func (p *patientPipe) look() {
	if !p.waiting.Load() {
		return
	}
	if p.near.ws.cork.sign() != nil {
		p.gone.Store(true)
		p.Pipe.Close()
		return
	}
	p.timer.Reset(sign)
}
