//go:build !linux

package trigger

// defaultRoutes are none: where the route goes, the addresses go too.
func defaultRoutes() []string { return nil }
