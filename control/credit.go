package control

import (
	"errors"
	"math"
)

// StreamWindow is how much of one stream may be on its way to a receiver, as it
// grants at the beginning.
const StreamWindow = 256 << 10

var errOverdrawn = errors.New("more was sent than granted")

// Budget is what a sender may still send of one stream. The zero value waits for
// a grant. It does not lock.
type Budget struct{ left uint64 }

// Left returns how many bytes may be sent now.
func (b *Budget) Left() int { return int(min(b.left, math.MaxInt32)) }

// Add takes a grant. Nobody needs one that adds up to more than 4 GiB: it is an
// error, so that a mistaken receiver is found out.
func (b *Budget) Add(n uint32) error {
	if b.left+uint64(n) > math.MaxUint32 {
		return errors.New("too much is granted")
	}
	b.left += uint64(n)
	return nil
}

// Spend notes that n bytes are sent.
func (b *Budget) Spend(n int) error {
	if n < 0 || uint64(n) > b.left {
		return errOverdrawn
	}
	b.left -= uint64(n)
	return nil
}

// Ledger is what a receiver has granted of one stream: StreamWindow at first, and
// then again what was passed on, so that no more than that ever waits. The zero
// value has granted nothing. It does not lock.
type Ledger struct {
	granted  uint32 // and not received
	received uint32 // and not passed on
}

// Open returns the first grant.
func (l *Ledger) Open() uint32 {
	l.granted = StreamWindow
	return l.granted
}

// Receive notes that n bytes came. More than granted is an error.
func (l *Ledger) Receive(n int) error {
	if n < 0 || uint64(n) > uint64(l.granted) {
		return errOverdrawn
	}
	l.granted -= uint32(n)
	l.received += uint32(n)
	return nil
}

// Pass notes that n of the bytes received are passed on, and returns the grant to
// send now: 0 until half a window is free, so that grants are few.
func (l *Ledger) Pass(n int) (uint32, error) {
	if n < 0 || uint64(n) > uint64(l.received) {
		return 0, errors.New("more is passed on than came")
	}
	l.received -= uint32(n)
	grant := StreamWindow - l.granted - l.received
	if grant < StreamWindow/2 {
		return 0, nil
	}
	l.granted += grant
	return grant, nil
}
