package link

import (
	"context"
	"time"
)

// heldKey is where a context carries the hook of WithHeld.
type heldKey struct{}

// WithHeld returns a context for dials. Whenever one of them has waited for a
// link that was not up, it calls told with how long, whether the link came or
// not.
func WithHeld(ctx context.Context, told func(time.Duration)) context.Context {
	return context.WithValue(ctx, heldKey{}, told)
}

// tellHeld calls the hook of WithHeld, if there is one.
func tellHeld(ctx context.Context, waited time.Duration) {
	if told, ok := ctx.Value(heldKey{}).(func(time.Duration)); ok {
		told(waited)
	}
}
