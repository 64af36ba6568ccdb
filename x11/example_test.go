package x11_test

import (
	"context"
	"fmt"
	"net"

	"tunneld/forward"
	"tunneld/x11"
)

// A session asks the server for X11 with a cookie made for it. What its
// programs open goes to the display, with the display's own cookie.
func ExampleForwarder() {
	display, err := x11.ParseDisplay(":0")
	if err != nil {
		fmt.Println(err)
		return
	}
	listen := func(context.Context) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:6010") }
	f := &x11.Forwarder{Listen: listen, Splice: forward.Splice}
	session := &x11.Grant{
		Display: display,
		Auth: func(ctx context.Context) (x11.Auth, error) {
			return x11.LoadAuth(ctx, "/home/ana/.Xauthority", display)
		},
		Trusted: true,
	}
	f.Allow(session)
	defer f.Withdraw(session)
	payload := session.Request() // for the session's "x11-req"
	fmt.Printf("%d bytes, with a %v that opens nothing but this session\n", len(payload), session.Cookie)
	// then: f.Serve(ctx)

	// Output: 63 bytes, with a (cookie) that opens nothing but this session
}

func ExampleParseDisplay() {
	for _, name := range []string{":0", "localhost:10.0", "tcp/[::1]:1", "wayland-0"} {
		display, err := x11.ParseDisplay(name)
		fmt.Println(display, err)
	}
	// Output:
	// :0 <nil>
	// localhost:10 <nil>
	// [::1]:1 <nil>
	// :0 x11_no_display: display "wayland-0": no colon before the number
}
