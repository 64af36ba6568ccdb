package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"tunneld/fault"
	"tunneld/identity"
)

// lastWords is how long a command may take to end once it has closed its
// output, so that it can say why.
const lastWords = 500 * time.Millisecond

// command is a program whose input and output are a connection, as ssh's
// ProxyCommand. Deadlines are not supported: close it to stop it.
type command struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	said   firstBytes // on stderr
	remote net.Addr
	kill   context.CancelFunc
	free   func() // ends what it left behind
	over   sync.Once
	err    error // set by over: why it ended by itself
}

// startCommand runs a command line, without a shell, for a connection to t.
func startCommand(line string, t Target) (*command, error) {
	argv, err := identity.SplitArgv(line)
	if err == nil && len(argv) == 0 {
		err = errors.New("no program is named")
	}
	if err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	if !isWord(t.Host) {
		return nil, fmt.Errorf("command: %q is not a host", t.Host)
	}
	tokens := strings.NewReplacer("%%", "%", "%h", t.Host, "%p", strconv.Itoa(t.Port))
	for i := range argv {
		argv[i] = tokens.Replace(argv[i])
	}
	ctx, kill := context.WithCancel(context.Background()) // it lives as long as the connection: see Close
	c := &command{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), remote: hostAddr(t.address()), kill: kill}
	c.cmd.Env = []string{} // nil would mean our own environment
	if t.Environ != nil {
		c.cmd.Env = append(c.cmd.Env, t.Environ()...)
	}
	c.cmd.Stderr = &c.said
	c.cmd.WaitDelay = time.Second // for what it left behind with its output open
	if err := c.start(); err != nil {
		kill()
		return nil, fmt.Errorf("command %s: %w", argv[0], err)
	}
	return c, nil
}

// hostBytes are those of a host name or an IP address with a zone.
const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:%"

// isWord reports that a host does no harm in a command that brings a shell:
// whoever made the target has checked it, and this is the last place to see.
func isWord(host string) bool {
	return host != "" && host[0] != '-' && strings.Trim(host, hostBytes) == ""
}

func (c *command) start() (err error) {
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return err
	}
	c.free, err = startGroup(c.cmd)
	return err
}

// Read reads what the command prints. At its end the error has the code
// proxy_failed and the first line that it wrote to stderr.
func (c *command) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if err == nil || n > 0 {
		return n, nil
	}
	timer := time.AfterFunc(lastWords, c.kill)
	defer timer.Stop()
	c.over.Do(c.reap)
	return 0, c.err
}

// Write writes to the command's input.
func (c *command) Write(p []byte) (int, error) { return c.in.Write(p) }

// Close kills the command with all that it started, and waits for its end.
func (c *command) Close() error {
	c.kill()
	c.over.Do(c.reap)
	return nil
}

// reap waits for the end of the command, whose output nobody reads any more.
func (c *command) reap() {
	err := c.cmd.Wait()
	c.kill() // releases the context
	c.free()
	if errors.Is(err, context.Canceled) {
		err = nil // it was slow to end: that is not why it closed its output
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(c.said.data), []byte("\n"))
	text := fault.Clean(string(line))
	switch {
	case text != "" && err != nil:
		text = fmt.Sprintf("%s (%v)", text, err)
	case err != nil:
		text = err.Error()
	case text == "":
		text = "it ended"
	}
	c.err = fault.New(fault.ProxyFailed, fault.Connect, "command %s: %s", c.cmd.Args[0], text)
}

// LocalAddr is the command, by its program.
func (c *command) LocalAddr() net.Addr { return commandAddr(c.cmd.Args[0]) }

// RemoteAddr is the server.
func (c *command) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is not supported.
func (c *command) SetDeadline(time.Time) error { return errNoDeadline }

// SetReadDeadline is not supported.
func (c *command) SetReadDeadline(time.Time) error { return errNoDeadline }

// SetWriteDeadline is not supported.
func (c *command) SetWriteDeadline(time.Time) error { return errNoDeadline }

type commandAddr string

func (commandAddr) Network() string  { return "command" }
func (a commandAddr) String() string { return string(a) }

// firstBytes keeps the first 4 KiB that are written to it.
type firstBytes struct{ data []byte }

// Write never fails, so that the command goes on.
func (f *firstBytes) Write(p []byte) (int, error) {
	f.data = append(f.data, p[:min(len(p), 4<<10-len(f.data))]...)
	return len(p), nil
}
