package profiles

import "strings"

// Hop is a plain jump host.
type Hop struct {
	User string
	Host string
	Port int
}

// Way returns how the server is reached, first hop first: through the link of
// another profile, or "", and then through plain jump hosts. A hop that names
// no user has the server's, and one without a port has 22.
func (s Server) Way() (profile string, hops []Hop) {
	for _, text := range s.ProxyJump {
		if name, ok := strings.CutPrefix(text, profileHop); ok {
			profile = name // the first alone, or Load has found a problem
			continue
		}
		h := Hop{User: s.User, Host: text, Port: 22}
		if user, host, found := strings.Cut(text, "@"); found {
			h.User, h.Host = user, host
		}
		if checkHost(h.Host) != nil { // then it has a port
			if a, err := ParseAddress(h.Host); err == nil {
				h.Host, h.Port = a.Host, a.Port
			}
		}
		hops = append(hops, h)
	}
	return profile, hops
}
