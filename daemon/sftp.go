package daemon

import (
	"context"
	"io"
	"sync"

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

func (v visit) sftp() (*sftpPipe, error) {
	g, err := v.receive("a copy")
	if err != nil {
		return nil, err
	}
	program, err := v.start(g.ctx, shell.Spec{Subsystem: "sftp"})
	if err != nil {
		return nil, g.refused(err)
	}
	p := &sftpPipe{guest: g, program: program}
	p.work.Go(p.discard)
	g.opened(program.Close)
	return p, nil
}

// sftpPipe is an SFTP session that ends its visit.
type sftpPipe struct {
	*guest
	program *shell.Session
	work    sync.WaitGroup
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

// CloseWrite ends our direction.
func (p *sftpPipe) CloseWrite() error { return p.program.Stdin.Close() }

// Close ends the session and the visit.
func (p *sftpPipe) Close() error {
	p.program.Close()
	p.work.Wait()
	p.close()
	return nil
}
