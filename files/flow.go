package files

import (
	"context"
	"errors"
	"io"
)

// flow is what goes through the end of a copy on this machine: so much and no more,
// and nothing after the end of ctx.
type flow struct {
	ctx  context.Context
	left int64
	tell func(n int)

	packet int   // of the session
	short  bool  // what came last was less than a packet: nothing may follow
	own    error // of this end
}

// errWhole ends a copy that has all of it.
var errWhole = errors.New("whole")

// pass notes that n bytes went through.
func (f *flow) pass(n int) {
	f.left -= int64(n)
	f.tell(n)
}

// fail notes an error of this end.
func (f *flow) fail(err error) error {
	f.own = err
	return err
}

// reader reads a file to be uploaded.
type reader struct {
	*flow
	from io.Reader
}

// Size says how much will come, which pkg/sftp wants before it has many requests
// under way.
func (r *reader) Size() int64 { return r.left }

// Read ends where the file ended when the copy began.
func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, r.fail(err)
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.pass(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, r.fail(err)
	}
	return n, err
}

// writer writes a file that is downloaded, in packets.
type writer struct {
	*flow
	to io.Writer
}

// Write ends where the file ended when the copy began. pkg/sftp asks for packets
// without waiting for the one before: where one was short, since the file was cut
// and grew again, the next would stand at a wrong place.
func (w *writer) Write(p []byte) (int, error) {
	switch err := w.ctx.Err(); {
	case err != nil:
		return 0, w.fail(err)
	case w.short:
		return 0, errChanged
	}
	w.short = len(p) < w.packet
	n, err := w.to.Write(p[:min(int64(len(p)), w.left)])
	w.pass(n)
	switch {
	case err != nil:
		return n, w.fail(err)
	case w.left == 0:
		return n, errWhole
	default:
		return n, nil
	}
}
