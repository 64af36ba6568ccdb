package identity

import (
	"errors"
	"fmt"
	"os"
)

// checkBus finds out whether there is a session bus: without one the client
// would start a bus of its own, which knows no keyring and never ends.
func (s Source) checkBus() error {
	if s.Getenv != nil && s.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" || exists(fmt.Sprintf("/run/user/%d/bus", os.Getuid())) {
		return nil
	}
	return errors.New("there is no D-Bus session, and so no keyring: a service reads credential:NAME or file:PATH")
}
