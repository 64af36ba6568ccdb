package daemon

import (
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/forward"
)

// At a loopback address only what cannot be a web site's name is answered.
func TestPrivateHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1:9464": true, "127.0.0.1": true, "[::1]:9464": true, "[::1]": true, "192.0.2.7:9464": true,
		"localhost:9464": true, "LocalHost": true, "localhost.": true, "tunneld.localhost:9464": true, "localhost.localdomain": true,
		"box": true, "box.local:9464": true, "host.docker.internal:9464": true, "own.example.com:9464": true, "OWN.example.com": true,
		"": false, ":9464": false, "example.com:9464": false, "evil.example.com": false, "example.com.:9464": false,
		"localhost.example.com": false, "127.0.0.1.example.com:9464": false, "internal.example": false, "own.example.com.example.org": false,
	} {
		if got := isPrivate(host, "own.example.com"); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

// An address that this machine has not is no port in use.
func TestMetricsElsewhere(t *testing.T) {
	_, err := forward.ListenTCPBy(t.Context(), nil, "192.0.2.7", 9464) // TEST-NET-1 of RFC 5737
	err = listenFault(err)
	if fault.CodeOf(err) != fault.ListenDenied || !strings.Contains(fault.HintOf(err), "an address of this machine") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}
