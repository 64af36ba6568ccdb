// Package sshtest is a network to test tunnels in: real servers, a line that
// breaks on demand, and peers that lie.
//
//	d := sshtest.StartSSHD(t)             // a real sshd with keys of its own
//	line := sshtest.NewRelay(t, d.Addr)   // between the client and it
//	line.Freeze()                         // bytes stop, sockets stay open
//	d.KillConnections()                   // as a server that crashes
//	echo := sshtest.Echo(t)               // something to reach through it
//	x := sshtest.StartXvfb(t)             // a real X server with a cookie
//	sshtest.Eventually(t, time.Minute, "link is up", link.Up)
//
// [Serve] runs the in-process server of package sshserver instead, where a
// test wants hooks; [Script] is a bare TCP listener for servers that are no
// SSH servers at all.
//
// Everything ends with the test that started it. [Leaks], called first, fails
// a test that leaves goroutines or descriptors behind. What cannot be started
// fails the test and says why; nothing is ever skipped.
package sshtest
