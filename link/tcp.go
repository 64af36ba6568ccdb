package link

import (
	"context"
	"net"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"tunneld/fault"
)

// dialTCP dials address, all of its addresses as RFC 8305 (happy eyeballs) has
// it, and tells what it resolved to and which addresses did not answer.
func (h *hop) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{}
	if h.target.BindAddress != "" {
		local, err := net.ResolveTCPAddr(network, net.JoinHostPort(h.target.BindAddress, "0"))
		if err != nil {
			return nil, err
		}
		d.LocalAddr = local
	}
	t := &dialTrace{hop: h, address: address}
	defer t.over.Store(true)
	h.link.setDialling(true)
	defer h.link.setDialling(false)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{DNSDone: t.resolved, ConnectDone: t.connected})
	return d.DialContext(ctx, network, address)
}

// dialTrace hears from package net, by way of the only hooks that it has.
type dialTrace struct {
	hop     *hop
	address string
	over    atomic.Bool // what comes later is of no interest: a slower address
}

func (t *dialTrace) resolved(info httptrace.DNSDoneInfo) {
	if info.Err != nil {
		return // the dial fails with it
	}
	var ips []string
	for _, a := range info.Addrs {
		ips = append(ips, a.String())
	}
	host, _, _ := net.SplitHostPort(t.address)
	t.hop.tell(fault.Resolve, "resolved", host+" is "+strings.Join(ips, ", "))
}

func (t *dialTrace) connected(_, address string, err error) {
	if err != nil && !t.over.Load() {
		t.hop.tell(fault.Connect, "address did not answer", address+": "+err.Error())
	}
}
