package sshtest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// wire is one connection through a relay.
type wire struct {
	relay          *Relay
	client, server *net.TCPConn
	once           sync.Once
	over           chan struct{} // closed by reset
}

// parcel is what one read brought, on its way through the delay.
type parcel struct {
	data []byte
	due  time.Time
	err  error // the last parcel's: io.EOF or why reading failed
}

// queueLength bounds what a wire holds: enough for 100 MiB/s over 200 ms.
const queueLength = 2048

// run carries bytes both ways until both have ended or the wire is reset.
func (w *wire) run() {
	var ways sync.WaitGroup
	ways.Add(2)
	go w.carry(w.client, w.server, &w.relay.up, &ways)
	go w.carry(w.server, w.client, &w.relay.down, &ways)
	ways.Wait()
	w.client.Close()
	w.server.Close()
}

// carry is one way. Half an end passes through; a broken one breaks both.
func (w *wire) carry(from, to *net.TCPConn, count *int64, ways *sync.WaitGroup) {
	defer ways.Done()
	queue := make(chan parcel, queueLength)
	go w.collect(from, queue)
	for p := range queue {
		if !w.hold(p.due) || !w.deliver(to, p, count) {
			w.reset()
			break
		}
	}
	for range queue {
		// What is left is lost; collect ends with its socket.
	}
}

// collect reads until there is no more, and closes queue.
func (w *wire) collect(from *net.TCPConn, queue chan<- parcel) {
	defer close(queue)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		w.relay.mu.Lock()
		due := time.Now().Add(w.relay.delay)
		w.relay.mu.Unlock()
		p := parcel{data: append([]byte(nil), buf[:n]...), due: due, err: err}
		select {
		case queue <- p:
		case <-w.over:
			return
		}
		if err != nil {
			return
		}
	}
}

// hold waits until a parcel is due and the relay is not frozen. It is false
// once the wire was reset.
func (w *wire) hold(due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-w.over:
			return false
		}
	}
	w.relay.mu.Lock()
	thawed := w.relay.thawed
	w.relay.mu.Unlock()
	select {
	case <-thawed:
		return true
	case <-w.over:
		return false
	}
}

// deliver writes a parcel, as far as the relay's quota goes, and passes its
// end on. It is false when the wire is broken.
func (w *wire) deliver(to *net.TCPConn, p parcel, count *int64) bool {
	data, last, passes := w.spend(p.data, count)
	if !passes {
		<-w.over
		return false
	}
	_, err := to.Write(data)
	switch {
	case last:
		w.relay.Cut()
		return false
	case err != nil:
		return false
	case errors.Is(p.err, io.EOF):
		to.CloseWrite()
		return true
	default:
		return p.err == nil
	}
}

// spend takes data from the quota and returns what of it may pass, and whether
// that was the last: then whoever asked does the cut. Until it is done nothing
// passes, nor does ever what is left of a wire that was cut, so that a new quota
// is for what comes after.
func (w *wire) spend(data []byte, count *int64) (pass []byte, last, passes bool) {
	r := w.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cutting || w.isOver() {
		return nil, false, false
	}
	if last = r.quota >= 0 && int64(len(data)) >= r.quota; last {
		data = data[:r.quota]
		r.cutting = true
	} else if r.quota > 0 {
		r.quota -= int64(len(data))
	}
	*count += int64(len(data))
	return data, last, true
}

func (w *wire) isOver() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// reset ends both sockets with RST.
func (w *wire) reset() {
	w.once.Do(func() {
		close(w.over)
		for _, c := range []*net.TCPConn{w.client, w.server} {
			c.SetLinger(0)
			c.Close()
		}
	})
}
