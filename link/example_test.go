package link_test

import (
	"context"
	"fmt"
	"time"

	"tunneld/fault"
	"tunneld/link"
)

func ExampleLink_Trace() {
	l := link.New(link.Target{Host: "127.0.0.1", Port: 1, User: "ana"})
	l.Events = func(e link.Event) { fmt.Println(e.Step, e.Message) }
	_, err := l.Trace(context.Background(), link.Trial{Host: "db.internal", Port: 5432})
	fmt.Println(fault.CodeOf(err))
	// Output:
	// connect address did not answer
	// connect failed
	// connect_refused
}

func ExampleLink() {
	l := link.New(link.Target{Host: "127.0.0.1", Port: 1, User: "ana"})
	l.Events = func(e link.Event) {
		if e.State != "" {
			fmt.Printf("%s %q\n", e.State, fault.CodeOf(e.Err))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- l.Serve(ctx) }()
	_, err := l.Dial(ctx, "db.internal", 5432, nil, 100*time.Millisecond)
	fmt.Println(fault.CodeOf(err))
	cancel()
	<-over
	// Output:
	// connecting ""
	// waiting "connect_refused"
	// hold_expired
	// down ""
}
