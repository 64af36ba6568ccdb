//go:build !windows

package control_test

import "net"

func dialSocket(path string) (net.Conn, error) { return net.Dial("unix", path) }
