package putty

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/windows/registry"
)

const sessionsKey = `Software\SimonTatham\PuTTY\Sessions`

// Sessions returns every saved session of the account, by name. They are in
// the registry, and home is not looked at.
func Sessions(home string) ([]Session, error) {
	root, err := registry.OpenKey(registry.CURRENT_USER, sessionsKey, registry.READ)
	if errors.Is(err, registry.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the registry: %w", err)
	}
	defer root.Close()
	names, err := root.ReadSubKeyNames(-1)
	if err != nil {
		return nil, fmt.Errorf("read the registry: %w", err)
	}
	var all []Session
	for _, name := range names {
		s, err := readKey(name)
		if err != nil {
			return nil, fmt.Errorf("read the registry: %w", err)
		}
		all = append(all, s)
	}
	sortSessions(all)
	return all, nil
}

// readKey reads the strings and numbers of one session.
func readKey(name string) (Session, error) {
	path := sessionsKey + `\` + name
	s := Session{Name: unescapeName(name), File: `HKCU\` + path, Settings: map[string]Setting{}}
	key, err := registry.OpenKey(registry.CURRENT_USER, path, registry.READ)
	if err != nil {
		return s, err
	}
	defer key.Close()
	values, err := key.ReadValueNames(-1)
	if err != nil {
		return s, err
	}
	for _, v := range values {
		if text, _, err := key.GetStringValue(v); err == nil {
			s.Settings[v] = Setting{Text: text}
		} else if n, _, err := key.GetIntegerValue(v); err == nil {
			s.Settings[v] = Setting{Text: strconv.FormatUint(n, 10)}
		}
	}
	return s, nil
}
