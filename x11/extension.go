package x11

import (
	"context"
	"time"

	"tunneld/fault"
)

// queryExtension is an opcode of the core protocol.
const queryExtension = 98

// The requests of the SECURITY extension, and their words (Security Extension
// Specification, version 7.1).
const (
	securityName       = "SECURITY"
	securityGenerate   = 1
	securityRevoke     = 2
	valueTimeout       = 1 << 0
	valueTrustLevel    = 1 << 1
	valueEventMask     = 1 << 3
	untrustedClient    = 1
	authorizationEvent = 1 << 0 // AuthorizationRevoked, the extension's first event
)

// extension is where a display has put one.
type extension struct {
	present    bool
	opcode     byte
	firstEvent byte
}

// extension asks for one by its name.
func (c *client) extension(ctx context.Context, name string) (extension, error) {
	request := []byte{0: queryExtension, 4: byte(len(name)), 7: 0}
	reply, err := c.call(ctx, append(request, padded(name)...))
	if err != nil {
		return extension{}, err
	}
	return extension{present: reply[8] != 0, opcode: reply[9], firstEvent: reply[10]}, nil
}

// security asks for the SECURITY extension, which has to be there.
func (c *client) security(ctx context.Context) (extension, error) {
	x, err := c.extension(ctx, securityName)
	if err == nil && !x.present {
		err = fault.New(fault.X11NoSecurityExtension, fault.X11, "display %v has no SECURITY extension", c.display)
	}
	return x, err
}

// generate asks for an authorization that restricts clients, and for the event
// of its end.
func (c *client) generate(ctx context.Context, x extension, timeout time.Duration) (id uint32, cookie Cookie, err error) {
	reply, err := c.call(ctx, generateRequest(x, timeout))
	if err != nil {
		return 0, Cookie{}, err
	}
	n := int(le.Uint16(reply[12:]))
	if n == 0 || len(reply) < messageSize+n {
		return 0, Cookie{}, displayError(c.display, "it made an authorization without a cookie")
	}
	return le.Uint32(reply[8:]), cookieOf(reply[messageSize : messageSize+n]), nil
}

// generateRequest always names the timeout: without it a display takes 60 s.
func generateRequest(x extension, timeout time.Duration) []byte {
	request := []byte{0: x.opcode, 1: securityGenerate, 4: byte(len(magicCookie)), 7: 0}
	request = le.AppendUint32(request, valueTimeout|valueTrustLevel|valueEventMask)
	request = append(request, padded(magicCookie)...)
	seconds := (timeout + time.Second - 1) / time.Second
	for _, value := range []uint32{uint32(seconds), untrustedClient, authorizationEvent} {
		request = le.AppendUint32(request, value)
	}
	return request
}

// revoke ends an authorization and all clients that came with it, and returns
// when that is done.
func (c *client) revoke(ctx context.Context, x extension, id uint32) error {
	request := []byte{0: x.opcode, 1: securityRevoke, 3: 0}
	if err := c.send(ctx, le.AppendUint32(request, id)); err != nil {
		return err
	}
	_, err := c.extension(ctx, securityName) // answered in their order
	return err
}
