package forward

import "sync"

// steps are the sizes of a copy buffer. The first is what an idle direction
// holds; the second is the most that x/crypto puts into one SSH packet; the
// third saves calls on a busy stream. A read that fills the buffer moves one
// step up, and one of less than keep moves to the first: a stream's last read
// is rarely full, so a stream that falls silent holds little.
var steps = [...]struct{ size, keep int }{
	{2 << 10, 0},
	{32 << 10, 8 << 10}, // shorter ones are messages, not a stream
	{256 << 10, 256 << 10},
}

// pools hold the free memory of each step, as *[]byte.
var pools [len(steps)]sync.Pool

// buffer is the memory of one direction. The zero value is at the first step.
type buffer struct {
	step int
	mem  *[]byte
}

// bytes returns the whole buffer; fit and release make it invalid.
func (b *buffer) bytes() []byte {
	if b.mem == nil {
		var ok bool
		if b.mem, ok = pools[b.step].Get().(*[]byte); !ok {
			mem := make([]byte, steps[b.step].size)
			b.mem = &mem
		}
	}
	return *b.mem
}

// fit chooses the step for the next read after one of n bytes.
func (b *buffer) fit(n int) {
	step := b.step
	switch {
	case n == steps[step].size && step < len(steps)-1:
		step++
	case n < steps[step].keep:
		step = 0
	}
	if step != b.step {
		b.release()
		b.step = step
	}
}

// release gives the memory back.
func (b *buffer) release() {
	if b.mem != nil {
		pools[b.step].Put(b.mem)
		b.mem = nil
	}
}
