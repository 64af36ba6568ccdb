package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"tunneld/fault"
)

// fromCommand runs a program and returns what it printed. At its limit the
// program and all that it started are killed.
func (s Source) fromCommand(ctx context.Context, line string) ([]byte, error) {
	argv, err := SplitArgv(line)
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, errors.New("no program is named")
	}
	timed, cancel := context.WithTimeout(ctx, s.limit())
	defer cancel()
	out, said := newBounded(keyFileLimit), newBounded(4<<10)
	out.strict = true
	defer out.wipe()
	cmd := exec.CommandContext(timed, argv[0], argv[1:]...)
	cmd.Env = []string{} // nil would mean our own environment
	if s.Environ != nil {
		cmd.Env = append(cmd.Env, s.Environ()...)
	}
	cmd.Stdout, cmd.Stderr = out, said
	cmd.WaitDelay = time.Second // for what it left behind with its output open
	err = runGroup(cmd)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case timed.Err() != nil:
		return nil, fmt.Errorf("no answer within %s", s.limit())
	case out.full:
		return nil, fmt.Errorf("it printed more than %d bytes", keyFileLimit)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, commandError(err, said, out)
	}
	return bytes.Clone(cutNewline(out.data)), nil
}

// commandError adds the first line that the program wrote to stderr, unless the
// secret stands in it.
func commandError(err error, said, out *bounded) error {
	line, _, _ := bytes.Cut(bytes.TrimSpace(said.data), []byte("\n"))
	for word := range bytes.FieldsSeq(out.data) {
		if bytes.Contains(line, word) {
			return err
		}
	}
	if text := fault.Clean(string(line)); text != "" {
		return fmt.Errorf("%w: %s", err, strings.TrimSuffix(text, "."))
	}
	return err
}

// bounded keeps the first bytes of what is written to it.
type bounded struct {
	limit  int
	strict bool // more than limit is an error, which ends the program that writes
	data   []byte
	full   bool // there was more
}

func newBounded(limit int) *bounded { return &bounded{limit: limit, data: make([]byte, 0, limit)} }

// wipe overwrites what was kept.
func (b *bounded) wipe() { clear(b.data) }

// Write takes in everything unless b is strict, so that the program goes on.
func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-len(b.data))
	b.data = append(b.data, p[:n]...)
	b.full = b.full || n < len(p)
	if b.full && b.strict {
		return n, io.ErrShortWrite
	}
	return len(p), nil
}
