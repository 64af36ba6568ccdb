package daemon

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/shell"
)

// SFTP implements control.Daemon: an SFTP session on the profile's live link.
func (s *Supervisor) SFTP(ctx context.Context, profile string) (control.Pipe, error) {
	v, err := s.visit(ctx, profile)
	if err != nil {
		return nil, err
	}
	p, err := v.sftp()
	if err != nil {
		v.leave()
		return nil, v.explain(err)
	}
	return p, nil
}

// aCopy is what an SFTP session is called.
const aCopy = "a copy"

func (v visit) sftp() (*sftpPipe, error) {
	if err := v.allowed(); err != nil {
		return nil, err
	}
	ctx, remove, err := v.tunnel.sessions.add(v.ctx, false)
	if err != nil {
		return nil, err
	}
	program, err := v.start(ctx, shell.Spec{Subsystem: "sftp"})
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		v.noteSession("session refused", "", aCopy, err)
		remove()
		return nil, err
	}
	v.noteSession("session opened", "", aCopy, nil)
	p := &sftpPipe{visit: v, ctx: ctx, program: program, remove: remove, began: time.Now()}
	p.unwatch = context.AfterFunc(ctx, func() { program.Close() })
	p.work.Go(p.discard)
	return p, nil
}

// sftpPipe is an SFTP session that ends its visit.
type sftpPipe struct {
	visit   visit
	ctx     context.Context // of the session
	program *shell.Session
	remove  func()
	unwatch func() bool
	began   time.Time
	work    sync.WaitGroup
	once    sync.Once
}

// discard takes what the server says beside SFTP, which would fill its window.
func (p *sftpPipe) discard() { _, _ = io.Copy(io.Discard, p.program.Stderr) }

// Read says why a session broke.
func (p *sftpPipe) Read(b []byte) (int, error) {
	n, err := p.program.Stdout.Read(b)
	return n, p.explain(err)
}

// Write says why a session broke.
func (p *sftpPipe) Write(b []byte) (int, error) {
	n, err := p.program.Stdin.Write(b)
	return n, p.explain(err)
}

func (p *sftpPipe) explain(err error) error {
	if err != nil && p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return p.visit.explain(err)
}

// CloseWrite ends our direction.
func (p *sftpPipe) CloseWrite() error { return p.program.Stdin.Close() }

// Close ends the session and the visit.
func (p *sftpPipe) Close() error {
	p.once.Do(func() {
		p.unwatch()
		p.program.Close()
		p.work.Wait()
		p.visit.noteSession("session ended", "", fmt.Sprintf("%s, after %s", aCopy, time.Since(p.began).Round(time.Millisecond)), nil)
		p.remove()
		p.visit.leave()
	})
	return nil
}
