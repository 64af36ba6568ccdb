//go:build !windows

package install

import "github.com/kardianos/service"

// What these managers are asked for, they have done when they answer.

func start(m service.Service) error   { return m.Start() }
func stop(m service.Service) error    { return m.Stop() }
func restart(m service.Service) error { return m.Restart() }
