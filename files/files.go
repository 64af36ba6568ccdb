// Package files copies files and trees to and from a server, over SFTP
// (draft-ietf-secsh-filexfer-02, with OpenSSH's extensions where a server has them).
//
// A [Copier] says how. Its Upload and Download copy into a temporary file in the
// target's folder, .tunneld-*.part, which takes the target's place once it is
// whole: a copy that breaks off never harms what was there. A session that is
// lost on the way is opened again, and the file under way goes on where it was.
//
// What is copied is content: of files, and of what symbolic links lead to, as scp -r
// does. Pipes, sockets and devices are refused. New files get the permissions of
// their source as far as the umask over there allows, or exactly with Preserve;
// set-user-ID and the like are never copied. A file that is replaced keeps its
// permissions, but not its owner nor its other names (hard links).
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// Copier copies between this machine and a server. Its methods may be called one
// after another.
type Copier struct {
	// Open opens an SFTP session: at first, and anew when one was lost. It waits for
	// as long as that makes sense; its error is the end of the copy. The end of ctx
	// ends the opening alone: in the session, temporary files are removed after it.
	// Close of what Open returns must end a Read and a Write that wait.
	Open func(ctx context.Context) (io.ReadWriteCloser, error)
	// Server names the server in messages, and in the names of partial files.
	Server string

	Recursive bool // copy folders too
	Preserve  bool // keep permissions and the time of the last change, to the second
	// Resume keeps a partial file where a copy fails, and goes on with one from
	// before. A partial file belongs to server, path, size and time of the source: if
	// one of them changed, its name is another, and the copy begins anew.
	Resume bool

	// Progress, if not nil, hears of what was copied, one call at a time. It must
	// not block.
	Progress func(Progress)
	// Failed, if not nil, hears why something was not copied, an *Error; the rest is.
	Failed func(error)
}

// Progress is how far a copy is.
type Progress struct {
	Path        string // of the source
	Done, Total int64  // bytes of this file
	Files       int    // that are whole
	Moved       int64  // bytes of all files that went over the line
}

// Incomplete says that something was not copied; Failed has heard what.
type Incomplete struct{ Failed, Copied int }

// Error counts the failures.
func (e *Incomplete) Error() string {
	return fmt.Sprintf("%d not copied, %d copied", e.Failed, e.Copied)
}

// Upload copies files of this machine to target on the server: into it where it
// is a folder, else as it. Where only one file was to be copied, the error is an
// *Error, else an *Incomplete; both are the end of Open or ctx where that is why.
func (c *Copier) Upload(ctx context.Context, sources []string, target string) error {
	run := newCopying(ctx, c)
	run.from, run.to, run.up = here, run.remote.side(c.Server), true
	return run.copy(sources, remotePath(target))
}

// Download is Upload the other way. "~" at the beginning of a path on the server
// is the account's home, where relative paths begin; other characters mean themselves.
func (c *Copier) Download(ctx context.Context, sources []string, target string) error {
	run := newCopying(ctx, c)
	run.from, run.to = run.remote.side(c.Server), here
	paths := make([]string, len(sources))
	for i, source := range sources {
		paths[i] = remotePath(source)
	}
	return run.copy(paths, target)
}

// copying is one call of Upload or Download.
type copying struct {
	*Copier
	ctx      context.Context
	remote   *remote
	from, to side
	up       bool // to the server
	failed   int
	alone    bool    // there is but one file, whose failure is told by the result
	tasks    []*task // that were begun, the oldest first
	filled   []*task // that settle folders, once all else is done

	mu   sync.Mutex // guards what follows
	seen Progress
	born bornIn
}

func newCopying(ctx context.Context, c *Copier) *copying {
	return &copying{Copier: c, ctx: ctx, remote: &remote{open: c.Open}}
}

// copy does it all, and leaves no session behind.
func (c *copying) copy(sources []string, target string) error {
	defer c.remote.close()
	defer c.abandon()
	err := c.items(sources, target)
	if err == nil {
		err = c.settleFolders()
	}
	switch {
	case err != nil:
		return err
	case c.failed > 0:
		return &Incomplete{c.failed, c.seen.Files}
	default:
		return nil
	}
}

// ending is an error that ends the whole copy.
type ending struct{ error }

func (e ending) Unwrap() error { return e.error }

// fail is report, after what began before.
func (c *copying) fail(at side, path string, err error) error {
	if err := c.join(); err != nil {
		return err
	}
	return c.report(at, path, err)
}

// report tells of a failure, after which the copy goes on, or returns one that ends it.
func (c *copying) report(at side, path string, err error) error {
	var end ending
	if errors.As(err, &end) {
		return end.error
	}
	failure := &Error{Path: at.shown(path), Err: err}
	if c.alone {
		return failure
	}
	c.failed++
	if c.Failed != nil {
		c.Failed(failure)
	}
	return nil
}

// again does op until the session in which it began lives to the end of it, or until
// it is of no use to go on.
func (c *copying) again(op func(s *session) error) error {
	for {
		s, err := c.remote.connect(c.ctx)
		if err != nil {
			return ending{err}
		}
		err = op(s)
		switch {
		case c.ctx.Err() != nil:
			return ending{context.Cause(c.ctx)}
		case err == nil, !s.line.isDead():
			return err
		}
		if err := c.remote.lose(s); err != nil {
			return ending{err}
		}
	}
}

// look is again for what a file or folder is.
func (c *copying) look(how func(string) (fs.FileInfo, error), path string) (info fs.FileInfo, err error) {
	err = c.again(func(*session) (err error) { info, err = how(path); return err })
	return info, err
}
