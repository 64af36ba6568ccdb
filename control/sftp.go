package control

import (
	"context"
	"net/http"
	"net/url"
)

// sftp serves an SFTP session.
func (s *server) sftp(w *response, r *http.Request) error {
	return s.pipe(w, r, func(ctx context.Context) (Pipe, error) { return s.daemon.SFTP(ctx, r.PathValue("name")) })
}

// SFTP opens an SFTP session on the profile's server.
func (c *Client) SFTP(ctx context.Context, profile string) (Pipe, error) {
	return c.pipe(ctx, "/v1/profiles/"+url.PathEscape(profile)+"/sftp")
}
