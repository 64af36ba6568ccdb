package files

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/pkg/sftp"
)

// job is one file to copy. It outlives the sessions in which that is tried.
type job struct {
	node
	session *session    // of the attempt
	done    int64       // bytes that are there
	known   fs.FileInfo // what is to be replaced; nil if nothing is
	part    partial
}

// file copies a file, a small one beside others.
func (c *copying) file(n node) error {
	t := &task{
		target: n.target,
		do:     func() error { return c.transfer(n) },
		tell:   func(err error) error { return c.notCopied(n, err) },
	}
	if !c.alone && n.info.Size() <= small {
		return c.beside(t)
	}
	if err := c.joinAt(n.target); err != nil {
		return err
	}
	err := t.do()
	if err == nil {
		return nil
	}
	if end := c.join(); end != nil {
		return end
	}
	return t.tell(err)
}

func (c *copying) transfer(n node) error {
	j := &job{node: n}
	err := c.again(func(s *session) error { return c.attempt(s, j) })
	if err == nil {
		c.finish(j)
		return nil
	}
	if j.part.kept && !c.Resume && !c.up {
		_ = c.to.remove(j.part.path) // nobody goes on with it
	}
	return err
}

func (c *copying) notCopied(n node, err error) error {
	var at *targetError
	if errors.As(err, &at) {
		return c.report(c.to, n.target, at.error)
	}
	return c.report(c.from, n.source, err)
}

// targetError is a failure on the side that is copied to.
type targetError struct{ error }

func (e *targetError) Unwrap() error { return e.error }

func onTarget(err error) error {
	if err == nil {
		return nil
	}
	return &targetError{err}
}

// attempt copies a file within one session.
func (c *copying) attempt(s *session, j *job) error {
	j.session = s
	if err := c.aim(j); err != nil {
		return onTarget(err)
	}
	in, err := c.from.open(j.source)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errIrregular
	}
	j.info = info
	err = c.write(j, in)
	if j.part.kept = err != nil && (c.Resume || s.line.isDead()); err != nil && !j.part.kept && j.part.path != "" {
		_ = c.to.remove(j.part.path) // what failed before is the better reason
	}
	return err
}

// aim looks at what is to be replaced: what a symbolic link leads to, and nothing
// but a regular file.
func (c *copying) aim(j *job) error {
	if j.fresh {
		return nil
	}
	known, err := c.to.lstat(j.target)
	if err == nil && known.Mode()&fs.ModeSymlink != 0 {
		if known, err = c.to.stat(j.target); err == nil {
			j.target, err = c.to.real(j.target)
		}
	}
	switch {
	case isAbsent(err):
		return nil
	case err != nil:
		return err
	case known.IsDir():
		return errIsFolder
	case !known.Mode().IsRegular():
		return errIrregular
	}
	j.known = known
	return nil
}

// write fills the temporary file from in, and puts it in the target's place.
func (c *copying) write(j *job, in file) error {
	out, at, mode, err := c.begin(j)
	if err != nil {
		return c.explained(onTarget(err), j)
	}
	j.done = at
	c.tell(j, 0)
	err = c.pour(j, out, in)
	if cerr := out.Close(); err == nil {
		err = onTarget(cerr)
	}
	if err != nil {
		return c.explained(err, j)
	}
	return onTarget(c.settle(j, mode))
}

// modes are the permissions of a temporary file now, and as they are to be.
type modes struct{ now, want fs.FileMode }

// begin opens the temporary file: one that is kept, at the place up to which it
// surely is whole, or a new one.
func (c *copying) begin(j *job) (out file, at int64, m modes, err error) {
	c.namePart(j)
	if j.part.kept || c.Resume {
		info, err := c.to.lstat(j.part.path)
		if err == nil && info.Mode().IsRegular() && info.Size() <= j.info.Size() {
			if out, err := c.to.reopen(j.part.path); err == nil {
				m.now = info.Mode().Perm()
				m.want = c.wanted(j, m.now)
				return out, max(0, info.Size()-c.to.slack), m, nil
			}
		}
		if err == nil {
			_ = c.to.remove(j.part.path) // else create says why not
		}
	}
	if out, err = c.to.create(j.part.path, j.info.Mode().Perm()|0o600); err != nil {
		return nil, 0, m, err
	}
	m.now, err = c.bornWith(out, j.part.path)
	if err == nil {
		m.want = c.wanted(j, m.now|m.now>>2&0o111) // files are born without the right to execute
		if private := m.want | 0o600; private != m.now {
			m.now, err = private, out.Chmod(private)
		}
	}
	if err != nil {
		out.Close()
	}
	return out, 0, m, err
}

// wanted are the permissions of the file in the end; most are those that the
// umask grants a new one.
func (c *copying) wanted(j *job, most fs.FileMode) fs.FileMode {
	switch {
	case c.Preserve:
		return j.info.Mode().Perm()
	case j.known != nil:
		return j.known.Mode().Perm()
	default:
		return j.info.Mode().Perm() & most
	}
}

// bornIn is the folder of a new file, and the permissions that it got there.
type bornIn struct {
	folder string
	mode   fs.FileMode
}

// bornWith are the permissions of a new file. A server's are the same in one
// folder: that saves a round trip for each of its files.
func (c *copying) bornWith(out file, path string) (fs.FileMode, error) {
	folder := c.folderOf(path)
	c.mu.Lock()
	born := c.born
	c.mu.Unlock()
	if c.up && born.mode != 0 && born.folder == folder {
		return born.mode, nil
	}
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.born = bornIn{folder, info.Mode().Perm()}
	return c.born.mode, nil
}

// pour copies from j.done on. The wrapped end is that of this machine: the other
// one keeps many requests under way.
func (c *copying) pour(j *job, out, in file) error {
	left := j.info.Size() - j.done
	if left == 0 {
		return nil
	}
	if _, err := in.Seek(j.done, io.SeekStart); err != nil {
		return err
	}
	if _, err := out.Seek(j.done, io.SeekStart); err != nil {
		return onTarget(err)
	}
	tell := func(n int) { c.tell(j, n) }
	if left <= small {
		return pourAtOnce(out, in, int(left), tell)
	}
	f := &flow{ctx: c.ctx, left: left, tell: tell, packet: j.session.packet}
	var err error
	if c.up {
		_, err = io.Copy(out, &reader{f, in})
	} else {
		_, err = io.Copy(&writer{f, out}, in)
	}
	switch {
	case errors.Is(err, errWhole):
		return nil
	case err == nil && f.left > 0:
		return errChanged
	case err != nil && !errors.Is(err, errChanged) && (f.own == nil) == c.up: // the end that is written to
		return onTarget(err)
	default:
		return err
	}
}

// pourAtOnce copies what one request holds, with no other to find the end.
func pourAtOnce(out io.Writer, in io.Reader, left int, tell func(n int)) error {
	buf := make([]byte, left)
	if _, err := io.ReadFull(in, buf); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errChanged
	} else if err != nil {
		return err
	}
	n, err := out.Write(buf)
	tell(n)
	return onTarget(err)
}

// settle gives the temporary file its permissions and time, and its place.
func (c *copying) settle(j *job, m modes) error {
	if c.Preserve {
		if err := c.to.chtime(j.part.path, j.info.ModTime()); err != nil {
			return err
		}
	}
	if m.now != m.want {
		if err := c.to.chmod(j.part.path, m.want); err != nil {
			return err
		}
	}
	return c.to.rename(j.part.path, j.target)
}

// explained finds the reason that a server did not give.
func (c *copying) explained(err error, j *job) error {
	var refusal *sftp.StatusError
	if c.up && errors.As(err, &refusal) && refusal.FxCode() == sftp.ErrSSHFxFailure && c.to.isFull(c.folderOf(j.target)) {
		return onTarget(errFull)
	}
	return err
}

// folderOf is where a path on the target's side stands, so that a name can follow.
func (c *copying) folderOf(path string) string { return path[:len(path)-len(c.to.base(path))] }

// tell notes that n bytes of a file were moved.
func (c *copying) tell(j *job, n int) {
	if n > 0 {
		c.remote.losses.Store(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	j.done += int64(n)
	c.seen.Path, c.seen.Done, c.seen.Total = j.source, j.done, j.info.Size()
	c.seen.Moved += int64(n)
	if c.Progress != nil {
		c.Progress(c.seen)
	}
}

// finish notes that a file is whole.
func (c *copying) finish(j *job) {
	c.mu.Lock()
	c.seen.Files++
	c.mu.Unlock()
	c.tell(j, 0)
}

func isAbsent(err error) bool { return errors.Is(err, os.ErrNotExist) }

func isEnding(err error) bool { return errors.As(err, new(ending)) }
