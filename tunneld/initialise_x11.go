package main

import (
	"context"
	"os"
	"time"

	"tunneld/fault"
	"tunneld/x11"
)

// displayTime is how long init waits for this session's display.
const displayTime = 2 * time.Second

// askX11 asks about trust where it matters: programs of the server are refused on
// a display that cannot restrict them, unless the profile trusts them.
func (in *initializer) askX11(ctx context.Context) (err error) {
	if in.folders.system {
		return nil
	}
	switch fault.CodeOf(restricts(ctx, os.Getenv("DISPLAY"))) {
	case fault.X11SecurityOpen, fault.X11NoSecurityExtension:
		in.template.TrustX11, err = confirm("This display cannot restrict programs: windows of the server's could read all that is typed. Trust them?")
	}
	return err
}

// restricts tries whether a display restricts programs; what is made for that is
// revoked.
func restricts(ctx context.Context, display string) error {
	ctx, cancel := context.WithTimeout(ctx, displayTime)
	defer cancel()
	d, err := x11.ParseDisplay(display)
	if err != nil {
		return err
	}
	auth, err := x11.LoadAuth(ctx, xauthority(), d)
	if err != nil {
		return err
	}
	a, err := x11.Authorize(ctx, d, auth, 0)
	if err != nil {
		return err
	}
	cancel()
	_ = a.Serve(ctx) // it was over before it began
	return nil
}
