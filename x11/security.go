package x11

import (
	"context"
	"errors"
	"sync"
	"time"

	"tunneld/fault"
)

// revokeLimit is how long the way out may take.
const revokeLimit = 2 * time.Second

// Authorization lets programs in that a display restricts: they can neither see
// into other programs' windows nor change them, nor read the keyboard; the
// windows' names they can read. It holds one idle connection to the display,
// which keeps the display from forgetting it and tells of its end.
type Authorization struct {
	holder   *client
	security extension
	id       uint32
	auth     Auth

	mu   sync.Mutex // guards what follows
	over error      // why it is of no use any more, or nil
}

// Authorize has d make an authorization, and proves that it restricts. auth is
// d's own, of a program that is trusted. timeout is how long it outlives the
// last program that uses it, in whole seconds, rounded up; 0 is for ever. Who
// called Authorize calls Serve, which ends it.
//
// The SECURITY extension fails open: a display that lets programs in by their
// host or account takes a wrong cookie, too, and then restricts nothing. Such a
// display is fault.X11SecurityOpen, one without the extension
// fault.X11NoSecurityExtension, any other failure fault.X11DisplayRefused. It
// takes 10 s at most.
func Authorize(ctx context.Context, d Display, auth Auth, timeout time.Duration) (*Authorization, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, defaultLimit, errSlow)
	defer cancel()
	holder, err := dialClient(ctx, d, auth)
	if err != nil {
		return nil, err
	}
	a := &Authorization{holder: holder}
	if err := a.establish(ctx, timeout); err != nil {
		holder.close()
		return nil, err
	}
	return a, nil
}

// establish makes the authorization on a display that is closed to others.
func (a *Authorization) establish(ctx context.Context, timeout time.Duration) (err error) {
	if a.security, err = a.holder.security(ctx); err != nil {
		return err
	}
	open, err := isOpen(ctx, a.holder.display)
	if err != nil {
		return err
	}
	if open {
		return a.holder.openError(ctx)
	}
	id, cookie, err := a.holder.generate(ctx, a.security, timeout)
	if err != nil {
		return err
	}
	a.id, a.auth = id, magic(cookie)
	if err := a.prove(ctx); err != nil {
		a.revoke(ctx)
		return err
	}
	return nil
}

// isOpen says whether d lets a program in whose cookie nobody made.
func isOpen(ctx context.Context, d Display) (bool, error) {
	c, err := dialClient(ctx, d, magic(NewCookie()))
	if err == nil {
		c.close()
		return true, nil
	}
	if _, refused := errors.AsType[refusedError](err); refused {
		return false, nil
	}
	return false, err
}

// prove connects as a program would. It must not see SECURITY.
func (a *Authorization) prove(ctx context.Context) error {
	c, err := dialClient(ctx, a.holder.display, a.auth)
	if err != nil {
		return err
	}
	defer c.close()
	x, err := c.extension(ctx, securityName)
	if err == nil && x.present {
		err = fault.New(fault.X11SecurityOpen, fault.X11, "display %v does not restrict programs with its authorization", a.holder.display)
	}
	return err
}

// Auth returns what restricted programs show, or why it is of no use any more:
// fault.X11Expired when the display withdrew it, fault.X11DisplayRefused when
// the display is gone. It is made to be a Grant's Auth.
func (a *Authorization) Auth(context.Context) (Auth, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over != nil {
		return Auth{}, a.over
	}
	return a.auth, nil
}

// Serve keeps the authorization until ctx ends, and then has the display revoke
// it, which ends the programs that came with it. It returns ctx's error, or
// earlier the error that Auth has from then on.
func (a *Authorization) Serve(ctx context.Context) error {
	defer a.holder.close()
	why := a.watch(ctx)
	a.end(why)
	if ctx.Err() == nil {
		return why
	}
	late, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), revokeLimit, errSlow)
	defer cancel()
	a.revoke(late)
	return ctx.Err()
}

// watch returns why the authorization is over.
func (a *Authorization) watch(ctx context.Context) error {
	release := bound(ctx, a.holder.conn)
	defer release()
	for {
		m, err := readMessage(a.holder.conn)
		if err != nil {
			return a.holder.explain(ctx, err)
		}
		if a.isEnd(m) {
			return fault.New(fault.X11Expired, fault.X11, "display %v withdrew the authorization", a.holder.display)
		}
	}
}

// isEnd recognises AuthorizationRevoked, also one that another client sent,
// which has the highest bit set.
func (a *Authorization) isEnd(m []byte) bool {
	return m[0]&0x7f == a.security.firstEvent && le.Uint32(m[4:]) == a.id
}

func (a *Authorization) end(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = why
}

// revoke is best effort: a display that does not answer has no programs either.
func (a *Authorization) revoke(ctx context.Context) {
	_ = a.holder.revoke(ctx, a.security, a.id)
}
