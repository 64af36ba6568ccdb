package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// binding is an address that an enabled forward or display takes, on a machine.
type binding struct {
	machine string // "" is this one
	address Address
	taker   string // who that is, in words
	key     string
	at      place
}

// bindings returns what p takes when it runs.
func bindings(p Profile, root *node) []binding {
	if !p.Enabled {
		return nil
	}
	var all []binding
	for i, f := range p.Forwards {
		n, key := forwardNode(root, p.Forwards, i)
		if !f.Enabled || f.Listen == (Address{}) {
			continue
		}
		b := binding{address: f.Listen, taker: "the forward " + f.Name, key: key + ".listen", at: n.find("listen").at}
		if !f.ListensHere() {
			b.machine = machineOf(p.Server)
		}
		all = append(all, b)
	}
	if number := p.X11.RemoteDisplay; p.X11.Enabled && number > 0 {
		n := root.find("x11", "remote_display")
		all = append(all, binding{machineOf(p.Server), Address{Network: TCP, Host: "127.0.0.1", Port: 6000 + number}, "the display there", "x11.remote_display", n.at})
	}
	return all
}

func machineOf(s Server) string {
	return fmt.Sprintf("%s@%s:%d", s.User, strings.ToLower(s.Host), s.Port)
}

func (b binding) conflicts(other binding) bool {
	return b.machine == other.machine && b.address.overlaps(other.address)
}

// conflict is the problem of b, which comes after other.
func (b binding) conflict(other binding) Problem {
	return Problem{
		File: b.at.file, Line: b.at.line, Column: b.at.column, Key: b.key,
		Message: fmt.Sprintf("%s is taken by %s (%s, %s)", b.address, other.taker, other.at, other.address),
		Hint:    "choose another listen address, or disable one of them",
	}
}

// judgeListens reports the forwards of one profile that take the same address.
func (r *reader) judgeListens(all []binding) {
	for i, b := range all {
		for _, other := range all[:i] {
			if b.conflicts(other) {
				r.problems = append(r.problems, b.conflict(other))
				break
			}
		}
	}
}

// slot is what two addresses must share to overlap; inside one, the hosts decide.
type slot struct {
	machine string
	address Address // without the host
}

func (b binding) slot() slot {
	s := slot{b.machine, b.address}
	s.address.Host = ""
	return s
}

// settle takes the profiles into the set one after the other. One that wants
// an address of a profile before it, or closes a circle of jumps, is at fault:
// its last good version comes in, when that has no conflict. First come the profiles that run, then the
// rest; in both the unchanged ones before the changed, each by name.
func (run *reading) settle(found []entry) {
	ranks := map[string]int{}
	for _, e := range found {
		ranks[e.profile.Name] = run.rank(e)
	}
	slices.SortFunc(found, func(a, b entry) int {
		x, y := a.profile.Name, b.profile.Name
		return cmp.Or(cmp.Compare(ranks[x], ranks[y]), strings.Compare(x, y))
	})
	taken, jumps := map[slot][]binding{}, jumps{}
	conflict := func(e entry) *Problem {
		return cmp.Or(firstConflict(e, taken), run.missingJump(e), jumps.circle(e))
	}
	for _, e := range found {
		if problem := conflict(e); problem != nil {
			run.report(*problem)
			last, ok := run.recall(e.profile.Name)
			if !ok || conflict(last) != nil {
				continue
			}
			e = last
		}
		run.accept(e)
		jumps[e.profile.Name] = e.jump.to
		for _, b := range e.listens {
			taken[b.slot()] = append(taken[b.slot()], b)
		}
	}
	run.set.sort()
}

func (run *reading) accept(e entry) {
	run.set.entries = append(run.set.entries, e)
	if e.version == Current {
		run.good[e.profile.Name] = e
	}
}

// rank is lower for a profile that keeps its addresses in a conflict.
func (run *reading) rank(e entry) int {
	rank := 0
	if run.Running == nil || !run.Running(e.profile.Name) {
		rank = 2
	}
	if e.version == Current && !run.unchanged(e) {
		rank++
	}
	return rank
}

// firstConflict returns the problem of e beside what is taken, or nil.
func firstConflict(e entry, taken map[slot][]binding) *Problem {
	for _, b := range e.listens {
		for _, other := range taken[b.slot()] {
			if b.conflicts(other) {
				p := b.conflict(other)
				return &p
			}
		}
	}
	return nil
}
