package control

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// launchLimit bounds a launch: the link, the display and the server may each
// take their time.
const launchLimit = time.Minute

// checkBody says what a check looks at.
type checkBody struct {
	X11 *X11Request `json:"x11,omitempty"` // X11, and nothing else
}

func (s *server) setDisplay(w *response, r *http.Request) error {
	var o DisplayOffer
	if err := decode(r, &o); err != nil {
		return err
	}
	if o.Display == "" {
		return &refusal{http.StatusBadRequest, "display: want a name such as :0"}
	}
	return done(w, s.daemon.SetDisplay(r.Context(), o))
}

func (s *server) launch(w *response, r *http.Request) error {
	var request X11Request
	if err := decode(r, &request); err != nil {
		return err
	}
	return done(w, s.daemon.Launch(r.Context(), r.PathValue("name"), r.PathValue("app"), request))
}

func (s *server) actApp(w *response, r *http.Request) error {
	action, err := s.actionOf(r)
	if err != nil {
		return err
	}
	if err := s.daemon.ActApp(r.Context(), action, r.PathValue("name"), r.PathValue("app")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// SetDisplay hands a display over.
func (c *Client) SetDisplay(ctx context.Context, o DisplayOffer) error {
	return c.call(ctx, actLimit, http.MethodPost, "/v1/display", o, nil)
}

// Launch starts a program of a profile.
func (c *Client) Launch(ctx context.Context, profile, app string, r X11Request) error {
	return c.call(ctx, launchLimit, http.MethodPost, "/v1/profiles/"+url.PathEscape(profile)+"/launch/"+url.PathEscape(app), r, nil)
}

// ActApp starts, stops or restarts a program of a profile.
func (c *Client) ActApp(ctx context.Context, action Action, profile, app string) error {
	return c.call(ctx, actLimit, http.MethodPost, "/v1/profiles/"+url.PathEscape(profile)+"/apps/"+url.PathEscape(app)+"/"+string(action), nil, nil)
}

// CheckX11 makes the daemon try what a window needs.
func (c *Client) CheckX11(ctx context.Context, profile string, r X11Request) (result CheckResult, err error) {
	err = c.call(ctx, traceLimit, http.MethodPost, "/v1/profiles/"+url.PathEscape(profile)+"/check", checkBody{&r}, &result)
	return result, err
}
