package x11

import (
	"context"
	"net/netip"
	"os/user"
	"strings"

	"tunneld/fault"
)

// listHosts is an opcode of the core protocol.
const listHosts = 110

// Families of the entries of a display's access list (X.h).
const (
	hostServerInterpreted = 5
	hostLocal             = 252
)

// openError says how the display can be closed: it lists whom it lets in.
func (c *client) openError(ctx context.Context) error {
	open := fault.New(fault.X11SecurityOpen, fault.X11, "display %v lets in programs with any cookie, and would not restrict them", c.display)
	reply, err := c.call(ctx, []byte{0: listHosts, 3: 0})
	if err != nil {
		return open // with the hint that fits all
	}
	return open.WithHint("use -Y once, set x11.trusted = true, or %s", c.remedy(reply))
}

// remedy is what closes a display whose reply to ListHosts this is.
func (c *client) remedy(reply []byte) string {
	doors := openDoors(reply[messageSize:], me())
	switch {
	case reply[1] == 0:
		return "run DISPLAY=" + c.display.String() + " xhost -"
	case len(doors) == 0:
		return "start the display with -auth FILE"
	}
	return "run DISPLAY=" + c.display.String() + " xhost -" + strings.Join(doors, " -")
}

// me returns the names that this account may have in an access list.
func me() []string {
	u, err := user.Current()
	if err != nil {
		return nil
	}
	return []string{u.Username, "#" + u.Uid}
}

// openDoors returns, in xhost's words, those entries of an access list through
// which this account may have come. None is the display's own text, since a
// person may run what is made of them.
func openDoors(list []byte, me []string) []string {
	var doors []string
	for len(list) >= 4 {
		family, n := list[0], int(le.Uint16(list[2:]))
		if len(list) < 4+pad4(n) {
			break
		}
		if door := openDoor(family, list[4:4+n], me); door != "" {
			doors = append(doors, door)
		}
		list = list[4+pad4(n):]
	}
	return doors
}

func openDoor(family byte, address []byte, me []string) string {
	switch Family(family) {
	case hostLocal:
		return "local:"
	case hostServerInterpreted:
		for _, name := range me {
			if string(address) == "localuser\x00"+name {
				return "si:localuser:" + name
			}
		}
	case Internet, Internet6:
		if ip, ok := netip.AddrFromSlice(address); ok {
			return "inet:" + ip.String()
		}
	}
	return ""
}
