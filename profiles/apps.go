package profiles

import "strconv"

// fillApps lets the programs inherit what [x11] says, and reports names that are
// used twice: programs and forwards are named in the same way.
func (r *reader) fillApps(p *Profile, root *node) {
	taken := map[string]bool{}
	for _, f := range p.Forwards {
		taken[f.Name] = true
	}
	for i := range p.X11.Apps {
		app := &p.X11.Apps[i]
		n, key := root.find("x11", "app").items[i], "x11.app["+strconv.Itoa(i)+"]"
		if n.find("trusted") == nil {
			app.Trusted = p.X11.Trusted
			r.computed(key+".trusted", app.Trusted)
		}
		if app.Name != "" && taken[app.Name] {
			r.problem(n.find("name").at, key+".name", "give one of them another name", "the name %s is taken in this profile", app.Name)
		}
		taken[app.Name] = true
	}
}
