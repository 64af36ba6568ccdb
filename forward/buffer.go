package forward

import "sync"

// sizes are the steps of a copy buffer. The first is what an idle direction
// holds; the second is the most that one SSH packet carries (RFC 4253 section
// 6.1 asks for 32768 bytes); the third saves calls on a busy stream.
var sizes = [...]int{2 << 10, 32 << 10, 256 << 10}

// pools hold the free memory of each step, as *[]byte.
var pools [len(sizes)]sync.Pool

// buffer is the memory of one direction: it grows while reads fill it and
// shrinks when they would have fitted the step below. The zero value is the
// smallest.
type buffer struct {
	step int
	mem  *[]byte
}

// bytes returns the whole buffer; fit and release make it invalid.
func (b *buffer) bytes() []byte {
	if b.mem == nil {
		var ok bool
		if b.mem, ok = pools[b.step].Get().(*[]byte); !ok {
			mem := make([]byte, sizes[b.step])
			b.mem = &mem
		}
	}
	return *b.mem
}

// fit chooses the step for the next read after one of n bytes.
func (b *buffer) fit(n int) {
	step := b.step
	switch {
	case n == sizes[step] && step < len(sizes)-1:
		step++
	case step > 0 && n <= sizes[step-1]:
		step--
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
