package x11

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"tunneld/fault"
)

// firstPort is the TCP port of display 0.
const firstPort = 6000

// maxScreen bounds a screen's number: the protocol counts them in a byte.
const maxScreen = 255

// Display names an X server and one of its screens. The zero Display is :0.
type Display struct {
	Host   string // reached over TCP; "" means over a socket of this machine
	Socket string // the socket's path where the name is one, as launchd's on macOS
	Number int
	Screen int

	// Owner is the account, by its uid, whose server may answer at a socket,
	// besides root's and this process's own. 0 names nobody more.
	Owner int
}

// ParseDisplay reads a display's name: :N, unix:N, HOST:N, tcp/HOST:N, with an
// IPv6 address in brackets, or the path of a socket that ends in :N; all may
// end in .SCREEN (X(7), "Display names"). It does not look whether one answers.
// Its errors have fault.X11NoDisplay.
func ParseDisplay(name string) (Display, error) {
	colon := strings.LastIndexByte(name, ':')
	if colon < 0 {
		return Display{}, badName(name, "no colon before the number")
	}
	host, number := name[:colon], name[colon+1:]
	var d Display
	number, screen, named := strings.Cut(number, ".")
	var ok bool
	if d.Number, ok = decimal(number, 65535-firstPort); !ok {
		return Display{}, badName(name, "no display number after the colon")
	}
	if d.Screen, ok = decimal(screen, maxScreen); named && !ok {
		return Display{}, badName(name, "no screen number after the dot")
	}
	if strings.HasPrefix(host, "/") {
		d.Socket = host + ":" + number
		return d, nil
	}
	return d, d.setHost(name, host)
}

// setHost takes what stands before the colon.
func (d *Display) setHost(name, host string) error {
	bare, tcp := strings.CutPrefix(host, "tcp/")
	switch {
	case host == "" || host == "unix":
		return nil
	case strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]"):
		addr, err := netip.ParseAddr(bare[1 : len(bare)-1])
		if err != nil || !addr.Is6() {
			return badName(name, "no IPv6 address in the brackets")
		}
		d.Host = addr.String()
	case strings.ContainsAny(bare, "[]:/ \t\r\n\x00") || tcp && bare == "":
		return badName(name, "no host before the colon")
	default:
		d.Host = bare
	}
	return nil
}

// decimal reads digits, and nothing else that strconv would take.
func decimal(s string, limit int) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= limit
}

func badName(name, why string) error {
	return fault.New(fault.X11NoDisplay, fault.X11, "display %q: %s", fault.Clean(name), why).
		WithHint("write :0 for a display of this machine, HOST:0 for one over TCP")
}

// String returns the name that ParseDisplay reads.
func (d Display) String() string {
	name := d.Socket
	if name == "" {
		name = d.bracketed() + ":" + strconv.Itoa(d.Number)
	}
	if d.Screen != 0 {
		name += "." + strconv.Itoa(d.Screen)
	}
	return name
}

// bracketed is the host, with brackets where it has colons.
func (d Display) bracketed() string {
	switch {
	case strings.Contains(d.Host, ":"):
		return "[" + d.Host + "]"
	case d.Host == "unix":
		return "tcp/unix" // or it would be the socket
	}
	return d.Host
}

// address is where the display listens over TCP.
func (d Display) address(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(firstPort+d.Number))
}
