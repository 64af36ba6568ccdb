package trigger

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
)

// defaultRoutes are the default routes of every table, "default via GATEWAY
// INTERFACE", as far as the system tells.
func defaultRoutes() (routes []string) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return nil
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if m.Header.Type == syscall.RTM_NEWROUTE && isDefault(m.Data) {
			routes = append(routes, describe(&m))
		}
	}
	return routes
}

// isDefault looks at a struct rtmsg, rtnetlink(7): family, length of the
// destination's prefix, ..., type at 7. An IPv6 table ends in an unreachable one
// that is no route.
func isDefault(rtmsg []byte) bool {
	return len(rtmsg) >= syscall.SizeofRtMsg && rtmsg[1] == 0 && rtmsg[7] == syscall.RTN_UNICAST
}

func describe(m *syscall.NetlinkMessage) string {
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return "default"
	}
	var via, dev string
	for _, a := range attributes {
		switch a.Attr.Type {
		case syscall.RTA_GATEWAY:
			if gateway, ok := netip.AddrFromSlice(a.Value); ok {
				via = " via " + gateway.String()
			}
		case syscall.RTA_OIF:
			if len(a.Value) < 4 {
				continue
			}
			if i, err := net.InterfaceByIndex(int(binary.NativeEndian.Uint32(a.Value))); err == nil {
				dev = " " + i.Name
			}
		}
	}
	return "default" + via + dev
}
