package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const profileHop = "profile:"

// jump is the profile whose link the way to a server goes through.
type jump struct {
	to string // its name, or ""
	at place
}

// jumpOf finds the jump of a profile.
func jumpOf(p Profile, root *node) jump {
	if len(p.Server.ProxyJump) == 0 {
		return jump{}
	}
	to, found := strings.CutPrefix(p.Server.ProxyJump[0], profileHop)
	if !found {
		return jump{}
	}
	return jump{to, root.find("server", "proxy_jump").items[0].at}
}

// judgeHops reports a profile that is not the first hop: its link goes its own
// way from this machine.
func (r *reader) judgeHops(hops []string, root *node) {
	for i, hop := range hops {
		if i > 0 && strings.HasPrefix(hop, profileHop) && !r.hasProblem("server.proxy_jump["+strconv.Itoa(i)+"]") {
			at := root.find("server", "proxy_jump").items[i].at
			r.problem(at, "server.proxy_jump["+strconv.Itoa(i)+"]", "write the way to it into that profile", "a profile can be the first hop alone")
		}
	}
}

// problem is one of the jump.
func (j jump) problem(hint, format string, args ...any) *Problem {
	return &Problem{File: j.at.file, Line: j.at.line, Column: j.at.column, Key: "server.proxy_jump[0]",
		Message: fmt.Sprintf(format, args...), Hint: hint}
}

// missingJump is the problem of a jump through a profile that has no file. One
// with a bad file is there: it is mended for itself.
func (run *reading) missingJump(e entry) *Problem {
	if e.jump.to == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(run.Dir, profilesFolder, e.jump.to+extension)); err == nil {
		return nil
	}
	return e.jump.problem(didYouMean(e.jump.to, run.names()), "there is no profile %s", e.jump.to)
}

// names are the profiles that have a file.
func (run *reading) names() []string {
	files, _ := os.ReadDir(filepath.Join(run.Dir, profilesFolder)) // for a hint alone
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), extension); ok {
			names = append(names, name)
		}
	}
	return names
}

// jumps are the profiles that profiles jump through. They have no circle.
type jumps map[string]string

// circle is the problem of an entry whose way would lead back to itself.
func (j jumps) circle(e entry) *Problem {
	way := []string{e.profile.Name}
	for to := e.jump.to; to != ""; to = j[to] {
		way = append(way, to)
		if to == e.profile.Name {
			return e.jump.problem("one of them must reach its server in another way", "the jumps lead in a circle: %s", strings.Join(way, " → "))
		}
	}
	return nil
}
