//go:build !windows

package terminal

import (
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// controls are the control characters by their opcodes of RFC 4254 section 8.
var controls = map[uint8]int{
	ssh.VINTR: unix.VINTR, ssh.VQUIT: unix.VQUIT, ssh.VERASE: unix.VERASE, ssh.VKILL: unix.VKILL,
	ssh.VEOF: unix.VEOF, ssh.VEOL: unix.VEOL, ssh.VEOL2: unix.VEOL2, ssh.VSTART: unix.VSTART, ssh.VSTOP: unix.VSTOP,
	ssh.VSUSP: unix.VSUSP, ssh.VREPRINT: unix.VREPRINT, ssh.VWERASE: unix.VWERASE, ssh.VLNEXT: unix.VLNEXT,
	ssh.VDISCARD: unix.VDISCARD,
}

// noControl stands for a character that is switched off, on the wire.
const noControl = 255

// The flags of a termios by their opcodes.
var (
	inputFlags = map[uint8]uint64{
		ssh.IGNPAR: unix.IGNPAR, ssh.PARMRK: unix.PARMRK, ssh.INPCK: unix.INPCK, ssh.ISTRIP: unix.ISTRIP,
		ssh.INLCR: unix.INLCR, ssh.IGNCR: unix.IGNCR, ssh.ICRNL: unix.ICRNL, ssh.IXON: unix.IXON,
		ssh.IXANY: unix.IXANY, ssh.IXOFF: unix.IXOFF, ssh.IMAXBEL: unix.IMAXBEL, ssh.IUTF8: unix.IUTF8,
	}
	localFlags = map[uint8]uint64{
		ssh.ISIG: unix.ISIG, ssh.ICANON: unix.ICANON, ssh.ECHO: unix.ECHO, ssh.ECHOE: unix.ECHOE, ssh.ECHOK: unix.ECHOK,
		ssh.ECHONL: unix.ECHONL, ssh.NOFLSH: unix.NOFLSH, ssh.TOSTOP: unix.TOSTOP, ssh.IEXTEN: unix.IEXTEN,
		ssh.ECHOCTL: unix.ECHOCTL, ssh.ECHOKE: unix.ECHOKE, ssh.PENDIN: unix.PENDIN,
	}
	outputFlags = map[uint8]uint64{
		ssh.OPOST: unix.OPOST, ssh.ONLCR: unix.ONLCR, ssh.OCRNL: unix.OCRNL, ssh.ONOCR: unix.ONOCR, ssh.ONLRET: unix.ONLRET,
	}
	controlFlags = map[uint8]uint64{ssh.PARENB: unix.PARENB, ssh.PARODD: unix.PARODD}
)

// Modes returns the modes of f, a terminal, by their opcodes of RFC 4254 section
// 8; nil where it tells none.
func Modes(f *os.File) map[uint8]uint32 {
	t, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		return nil
	}
	modes := map[uint8]uint32{}
	for op, i := range controls {
		modes[op] = uint32(t.Cc[i])
		if t.Cc[i] == disabledControl {
			modes[op] = noControl
		}
	}
	for _, group := range []struct {
		flags map[uint8]uint64
		have  uint64
	}{{inputFlags, uint64(t.Iflag)}, {localFlags, uint64(t.Lflag)}, {outputFlags, uint64(t.Oflag)}, {controlFlags, uint64(t.Cflag)}} {
		for op, flag := range group.flags {
			modes[op] = bit(group.have&flag != 0)
		}
	}
	modes[ssh.CS7] = bit(uint64(t.Cflag)&unix.CSIZE == unix.CS7)
	modes[ssh.CS8] = bit(uint64(t.Cflag)&unix.CSIZE == unix.CS8)
	modes[ssh.TTY_OP_ISPEED], modes[ssh.TTY_OP_OSPEED] = speeds(t)
	return modes
}

func bit(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}
