package forward_test

import (
	"io"
	"net"
	"runtime"
	"testing"

	"tunneld/forward"
)

// One connection: open, a byte there and back, close. Half of the allocations
// are the benchmark's own client and server.
func BenchmarkConnection(b *testing.B) {
	f := serve(b, &forward.Forward{})
	to := f.await(b, forward.Listening).Bound[0].String()
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", to)
		if err != nil {
			b.Fatal(err)
		}
		roundTrip(b, c, "x")
		c.Close()
	}
	b.StopTimer()
	f.idle(b)
}

// What 1000 open, idle connections hold, after a small message each way
// (KiB/idle) and after about 1 MiB each way (KiB/used): heap and stacks, with those of
// the benchmark's client and server.
func BenchmarkIdle(b *testing.B) {
	const count = 1000
	f := serve(b, &forward.Forward{})
	for b.Loop() {
		before := inUse()
		conns := make([]net.Conn, count)
		for i := range conns {
			conns[i] = f.connect(b)
			roundTrip(b, conns[i], "hello")
		}
		b.ReportMetric(float64(inUse()-before)/1024/count, "KiB/idle")
		for i, c := range conns {
			block := make([]byte, mebi+997*i)
			go c.Write(block)
			if _, err := io.CopyN(io.Discard, c, int64(len(block))); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(inUse()-before)/1024/count, "KiB/used")
		for _, c := range conns {
			c.Close()
		}
		f.idle(b)
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC() // empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
