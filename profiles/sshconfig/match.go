package sshconfig

import "strings"

// matchPattern reports whether s is what a pattern with * and ? describes.
func matchPattern(s, pattern string) bool {
	i, p, star, retry := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			i, p = i+1, p+1
		case star >= 0:
			retry++
			i, p = retry, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchList reports whether a list of patterns takes s: one of them matches,
// and none that begins with "!".
func matchList(s string, patterns []string) bool {
	found := false
	for _, p := range patterns {
		if p, negated := strings.CutPrefix(p, "!"); !matchPattern(s, p) {
			continue
		} else if negated {
			return false
		}
		found = true
	}
	return found
}

// host begins a Host block.
func (r *reader) host(args []string) bool {
	if !matchList(r.result.Host, args) {
		return false
	}
	for _, p := range args {
		if strings.Trim(p, "*") != "" && !strings.HasPrefix(p, "!") && matchPattern(r.result.Host, p) {
			r.result.Named = true
		}
	}
	return true
}

// match begins a Match block. Criteria that this package does not judge are
// listed, as far as they alone decide.
func (r *reader) match(v Value, args []string) bool {
	matches, unjudged := true, ""
	for len(args) > 0 {
		name, value, joined := strings.Cut(args[0], "=")
		args = args[1:]
		name, negated := strings.CutPrefix(strings.ToLower(name), "!")
		switch name {
		case "all":
			matches = matches && !negated
			continue
		case "canonical", "final":
			unjudged = name
			continue
		}
		if !joined {
			if len(args) == 0 {
				r.skip(v, "the criterion "+name+" has no value", false)
				return false
			}
			value, args = args[0], args[1:]
		}
		ok, judged := r.criterion(name, value)
		if !judged {
			unjudged = name
			continue
		}
		matches = matches && ok != negated
	}
	if matches && unjudged != "" {
		r.skip(v, matchReason(unjudged), unjudged == "canonical")
		return false
	}
	return matches
}

// criterion judges a criterion with a list of patterns, against what the files
// have said so far.
func (r *reader) criterion(name, list string) (matches, judged bool) {
	lower := strings.Split(strings.ToLower(list), ",")
	switch name {
	case "host":
		return matchList(strings.ToLower(r.currentHostName()), lower), true
	case "originalhost":
		return matchList(strings.ToLower(r.result.Host), lower), true
	case "user":
		return matchList(r.remoteUser(), strings.Split(list, ",")), true
	case "localuser":
		return matchList(r.env.User, strings.Split(list, ",")), true
	}
	return false, false
}

func matchReason(criterion string) string {
	switch criterion {
	case "exec":
		return "no command is run to read a file: the block is taken not to match"
	case "canonical", "final":
		return "the files are read once: the block is taken not to match"
	}
	return "the criterion " + criterion + " is not judged: the block is taken not to match"
}

// currentHostName is HostName as far as the files were read.
func (r *reader) currentHostName() string {
	name := r.result.text("HostName")
	if name == "" {
		return r.result.Host
	}
	expanded, err := replaceTokens(name, map[byte]string{'h': r.result.Host}, "")
	if err != nil {
		return name
	}
	return expanded
}

// remoteUser is who logs in on the server.
func (r *reader) remoteUser() string {
	if user := r.result.text("User"); user != "" {
		return user
	}
	return r.env.User
}
