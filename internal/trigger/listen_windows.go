package trigger

import (
	"context"

	"golang.org/x/sys/windows"
)

// listenNetwork calls stir whenever an address comes, goes or changes, at once
// too, until ctx ends. Its error is why it cannot.
func listenNetwork(ctx context.Context, stir func()) error {
	// PUNICAST_IPADDRESS_CHANGE_CALLBACK. The memory of a callback is never given
	// back: this is one for the life of a watcher, but for failures.
	callback := windows.NewCallback(func(_, _, _ uintptr) uintptr {
		stir()
		return 0
	})
	var handle windows.Handle
	err := windows.NotifyUnicastIpAddressChange(windows.AF_UNSPEC, callback, nil, false, &handle)
	stir() // for what changed before, and where this fails
	if err != nil {
		return err
	}
	<-ctx.Done()
	_ = windows.CancelMibChangeNotify2(handle) // waits for the callbacks under way
	return ctx.Err()
}
