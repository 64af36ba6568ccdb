package x11

import "context"

// Info is what a display says of itself.
type Info struct {
	Vendor  string
	Release uint32 // the vendor's own number
	Screens int

	Security bool // it has the SECURITY extension, and lets us see it
	Open     bool // it lets programs in with any cookie, so that nothing restricts them
}

// Probe connects to d with auth, opens no window, and looks. It takes 10 s at
// most. Errors have fault.X11DisplayRefused.
func Probe(ctx context.Context, d Display, auth Auth) (Info, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, defaultLimit, errSlow)
	defer cancel()
	c, err := dialClient(ctx, d, auth)
	if err != nil {
		return Info{}, err
	}
	defer c.close()
	x, err := c.extension(ctx, securityName)
	if err != nil {
		return Info{}, err
	}
	open, err := isOpen(ctx, d)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Vendor: c.hello.vendor, Release: c.hello.release, Screens: c.hello.screens,
		Security: x.present, Open: open,
	}, nil
}
