package x11

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
)

// LoadAuth returns what the authority file at path has for d, read anew at each
// call, since a display that starts again has another cookie. Where the file
// does not exist or knows nothing of d, it is the zero Auth: d may let us in
// all the same. ctx bounds the look-up of d's host. Errors have
// fault.X11DisplayRefused.
func LoadAuth(ctx context.Context, path string, d Display) (Auth, error) {
	records, broken := loadRecords(path)
	if broken != nil && len(records) == 0 {
		return Auth{}, displayError(d, "%w", broken)
	}
	here, err := addressesOf(ctx, d)
	if err != nil {
		return Auth{}, displayError(d, "%w", err)
	}
	auth, found := here.find(records)
	if !found && broken != nil {
		return Auth{}, displayError(d, "%s: %w", path, broken)
	}
	return auth, nil
}

// loadRecords reads a file, which need not exist.
func loadRecords(path string) ([]Record, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := readAll(file)
	if err != nil {
		return nil, err
	}
	return ReadAuthority(data)
}

// addresses is how an authority file may speak of a display.
type addresses struct {
	number string
	local  bool         // a socket, or TCP on the loopback, which counts as one
	host   string       // this machine's name
	ips    []netip.Addr // over TCP
}

func addressesOf(ctx context.Context, d Display) (addresses, error) {
	a := addresses{number: strconv.Itoa(d.Number), local: d.Host == ""}
	if !a.local {
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", d.Host)
		if err != nil {
			return addresses{}, err
		}
		a.ips = ips
		a.local = slices.ContainsFunc(ips, netip.Addr.IsLoopback)
	}
	if a.local {
		host, err := os.Hostname()
		if err != nil {
			return addresses{}, err
		}
		a.host = host
	}
	return a, nil
}

// find returns the first record that fits. Where the machine was renamed after
// its display wrote the file, none does: then the one record of a local display
// with that number is taken, if there is exactly one.
func (a addresses) find(records []Record) (Auth, bool) {
	var renamed []Auth
	for _, r := range records {
		if r.Auth.Name != magicCookie || r.Number != "" && r.Number != a.number {
			continue
		}
		if a.match(r) {
			return r.Auth, true
		}
		if a.local && r.Family == Local {
			renamed = append(renamed, r.Auth)
		}
	}
	if len(renamed) == 1 {
		return renamed[0], true
	}
	return Auth{}, false
}

func (a addresses) match(r Record) bool {
	switch r.Family {
	case Wild:
		return true
	case Local:
		return a.local && r.Address == a.host
	case Internet, Internet6:
		return slices.ContainsFunc(a.ips, r.isFor)
	}
	return false
}

// isFor says whether r's address is ip, in the length of its family.
func (r Record) isFor(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.Is4() == (r.Family == Internet) && r.Address == string(ip.AsSlice())
}
