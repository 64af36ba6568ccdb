package trigger

import (
	"context"
	"errors"

	"github.com/godbus/dbus/v5"
)

// errBusGone ends what listens to a bus that closed the connection.
var errBusGone = errors.New("the bus is gone")

// listenLogind calls woke whenever logind tells that the machine woke, until ctx
// ends. Its error is why it cannot: there may be no bus.
// Source: org.freedesktop.login1(5), PrepareForSleep.
func (w *Watcher) listenLogind(ctx context.Context, woke func()) error {
	bus, err := connect(ctx, w.Bus)
	if err != nil {
		return err
	}
	defer bus.Close()
	signals := make(chan *dbus.Signal, 8)
	bus.Signal(signals)
	if err := bus.AddMatchSignalContext(ctx,
		dbus.WithMatchSender("org.freedesktop.login1"),
		dbus.WithMatchObjectPath("/org/freedesktop/login1"),
		dbus.WithMatchInterface("org.freedesktop.login1.Manager"),
		dbus.WithMatchMember("PrepareForSleep"),
	); err != nil {
		return err
	}
	for s := range signals {
		if s.Name == "org.freedesktop.login1.Manager.PrepareForSleep" && len(s.Body) == 1 && s.Body[0] == false {
			woke()
		}
	}
	return errBusGone
}

func connect(ctx context.Context, address string) (*dbus.Conn, error) {
	if address == "" {
		return dbus.ConnectSystemBus(dbus.WithContext(ctx))
	}
	return dbus.Connect(address, dbus.WithContext(ctx))
}
