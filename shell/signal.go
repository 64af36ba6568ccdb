package shell

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// numbers are those of POSIX and, for USR1 and USR2, of Linux.
var numbers = map[ssh.Signal]int{
	ssh.SIGHUP: 1, ssh.SIGINT: 2, ssh.SIGQUIT: 3, ssh.SIGILL: 4, ssh.SIGABRT: 6, ssh.SIGFPE: 8, ssh.SIGKILL: 9,
	ssh.SIGUSR1: 10, ssh.SIGSEGV: 11, ssh.SIGUSR2: 12, ssh.SIGPIPE: 13, ssh.SIGALRM: 14, ssh.SIGTERM: 15,
}

// Number returns a signal's number, or 0 for one that is not in RFC 4254
// section 6.10.
func Number(sig ssh.Signal) int { return numbers[sig] }

// ParseSignal reads a signal as people write it: TERM, SIGTERM, sigterm or 15.
func ParseSignal(text string) (ssh.Signal, error) {
	name := ssh.Signal(strings.TrimPrefix(strings.ToUpper(text), "SIG"))
	if numbers[name] != 0 {
		return name, nil
	}
	number, err := strconv.Atoi(text)
	for sig, n := range numbers {
		if err == nil && n == number {
			return sig, nil
		}
	}
	return "", fmt.Errorf("unknown signal %q", text)
}
