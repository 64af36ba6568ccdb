package terminal

import "golang.org/x/sys/unix"

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)

// disabledControl is the character that means none.
const disabledControl = 0

// bauds are the speeds by their numbers in Cflag; those of pseudo-terminals.
var bauds = map[uint32]uint32{
	unix.B1200: 1200, unix.B2400: 2400, unix.B4800: 4800, unix.B9600: 9600, unix.B19200: 19200,
	unix.B38400: 38400, unix.B57600: 57600, unix.B115200: 115200,
}

// speeds are bits per second; for what is not in the table those of a fast line.
func speeds(t *unix.Termios) (in, out uint32) {
	speed, known := bauds[t.Cflag&unix.CBAUD]
	if !known {
		speed = 38400
	}
	return speed, speed
}
