package trigger

import (
	"maps"
	"net"
	"net/netip"
	"slices"
)

// network is what counts of this machine's network: not loopback, nor
// link-local IPv6, which every interface has, a container's too.
type network struct {
	lines map[string]bool     // addresses of what is up, and default routes, as Event tells them
	addrs map[netip.Addr]bool // all addresses, up or down
}

// look looks at the network as it is now.
func look() (network, error) {
	n := network{map[string]bool{}, map[netip.Addr]bool{}}
	interfaces, err := net.Interfaces()
	if err != nil {
		return n, err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, _ := i.Addrs() // an error: it has just gone
		for _, a := range addrs {
			n.add(i, a)
		}
	}
	for _, route := range defaultRoutes() {
		n.lines[route] = true
	}
	return n, nil
}

func (n network) add(i net.Interface, a net.Addr) {
	prefix, err := netip.ParsePrefix(a.String())
	if err != nil || prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() {
		return
	}
	n.addrs[prefix.Addr()] = true
	if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0 {
		n.lines[a.String()+" "+i.Name] = true
	}
}

// since puts into e how n differs from before.
func (n network) since(before network, e *Event) {
	e.Came, e.Went = missing(n.lines, before.lines), missing(before.lines, n.lines)
	for _, a := range slices.SortedFunc(maps.Keys(before.addrs), netip.Addr.Compare) {
		if !n.addrs[a] {
			e.Gone = append(e.Gone, a)
		}
	}
}

// missing are the lines that b lacks, in order.
func missing(a, b map[string]bool) (lines []string) {
	for _, line := range slices.Sorted(maps.Keys(a)) {
		if !b[line] {
			lines = append(lines, line)
		}
	}
	return lines
}
