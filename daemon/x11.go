package daemon

import (
	"context"
	"fmt"

	"tunneld/control"
	"tunneld/fault"
)

// SetDisplay implements control.Daemon: windows go there from now on, unless
// their profile or their caller says otherwise.
func (s *Supervisor) SetDisplay(ctx context.Context, o control.DisplayOffer) error {
	s.init()
	at, err := offered(ctx, o)
	if err != nil {
		return err
	}
	if err := at.try(ctx); err != nil {
		return err
	}
	s.seats.hand(at)
	s.journal.note(control.Event{Kind: "x11", Level: control.Info, Step: fault.X11, Message: "a display was handed over", Detail: at.display.String()})
	for _, t := range s.all() {
		t.windows.displayCame()
	}
	return nil
}

// Launch implements control.Daemon: it starts a program of a profile, which
// stays when the asking command is gone.
func (s *Supervisor) Launch(ctx context.Context, profile, app string, r control.X11Request) error {
	if _, err := s.findApp(profile, app); err != nil {
		return err
	}
	v, err := s.visit(ctx, profile)
	if err != nil {
		return err
	}
	defer v.leave()
	v.tunnel.windows.setApps(v.profile) // of a tunnel that was only lent
	return v.explain(v.tunnel.windows.launch(ctx, app, r))
}

// ActApp implements control.Daemon.
func (s *Supervisor) ActApp(ctx context.Context, action control.Action, profile, app string) error {
	return s.ask(ctx, func(running context.Context) error {
		p, err := s.findApp(profile, app)
		if err != nil {
			return err
		}
		s.journal.note(control.Event{Kind: "profile", Level: control.Info, Profile: profile, App: app, Message: "a person asked for it", Detail: string(action)})
		t := s.tunnel(profile)
		if action != control.Up && t != nil {
			t.windows.stopApp(app)
		}
		if action == control.Down {
			return nil
		}
		if t == nil || t.isLent() { // the profile comes with it
			s.wishes.unsetDown(profile, "")
			s.wishes.setUp(profile)
			t = s.start(running, p)
		}
		t.windows.startApp(context.WithoutCancel(ctx), app)
		return nil
	})
}

// show makes a display ready for the programs of the visit.
func (v visit) show(r control.X11Request) (*showing, error) {
	s, err := v.tunnel.windows.show(v.ctx, v.profile, r, v.app)
	if err != nil {
		if v.ctx.Err() != nil {
			err = context.Cause(v.ctx)
		}
		v.noteSession("session refused", "", fmt.Sprintf("windows%s", describeTrust(r.Trusted)), err)
		return nil, err
	}
	return s, nil
}

func describeTrust(trusted bool) string {
	if trusted {
		return " of a trusted program"
	}
	return ""
}
