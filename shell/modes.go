package shell

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"golang.org/x/crypto/ssh"
)

// The opcodes of terminal modes that are not modes (RFC 4254 section 8).
const (
	endOfModes   = 0
	firstUnknown = 160 // from here on arguments have no known length, and reading ends
)

var errCutModes = errors.New("terminal modes are cut short")

// EncodeModes writes terminal modes as pty-req has them (RFC 4254 section 8), in
// the order of their opcodes: ssh.ECHO and its neighbours name them. Opcodes that
// are no modes, 0 and those from 160 on, are left out.
func EncodeModes(modes ssh.TerminalModes) []byte {
	var out []byte
	for _, op := range slices.Sorted(maps.Keys(modes)) {
		if op != endOfModes && op < firstUnknown {
			out = binary.BigEndian.AppendUint32(append(out, op), modes[op])
		}
	}
	return append(out, endOfModes)
}

// DecodeModes reads what EncodeModes writes. Of an opcode that comes again the
// last counts; nothing is read beyond the end, or an opcode from 160 on.
func DecodeModes(data []byte) (ssh.TerminalModes, error) {
	modes := ssh.TerminalModes{}
	for len(data) > 0 && data[0] != endOfModes && data[0] < firstUnknown {
		if len(data) < 5 {
			return nil, errCutModes
		}
		modes[data[0]] = binary.BigEndian.Uint32(data[1:])
		data = data[5:]
	}
	return modes, nil
}
