package profiles

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tunneld/profiles/sshconfig"
)

func (s *sshDraft) takeText(v sshconfig.Value, key string) { s.take(v, key, v.Text) }

func (s *sshDraft) takeNumber(v sshconfig.Value, key string) {
	n, err := strconv.ParseInt(v.Text, 10, 32)
	if err != nil {
		s.refuse(v, "not a number", false)
		return
	}
	s.take(v, key, n)
}

func (s *sshDraft) takeBool(v sshconfig.Value, key string) {
	switch strings.ToLower(v.Text) {
	case "yes", "true":
		s.take(v, key, true)
	case "no", "false":
		s.take(v, key, false)
	default:
		s.refuse(v, "want yes or no", false)
	}
}

// takeSeconds takes a time. Zero means never to ssh, and here nothing waits
// for ever.
func (s *sshDraft) takeSeconds(v sshconfig.Value, key string) {
	d, err := parseTime(v.Text)
	switch {
	case v.Text == "none" || (err == nil && d == 0):
		s.refuse(v, "it is always bounded here, as "+key, true)
	case err != nil:
		s.refuse(v, err.Error(), false)
	default:
		s.take(v, key, durationText(d))
	}
}

// takeAlgorithms takes a list that replaces the defaults, or one that adds.
func (s *sshDraft) takeAlgorithms(v sshconfig.Value, key string) {
	text, plus := strings.CutPrefix(v.Text, "+")
	if strings.ContainsAny(v.Text[:1], "-^") {
		s.refuse(v, "a list can replace the defaults or add to them, and not shorten or reorder them", true)
		return
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if plus {
			name = "+" + name
		}
		names = append(names, name)
	}
	s.take(v, key, names)
}

// takeFiles takes every file of a keyword; "none" is none.
func (s *sshDraft) takeFiles(keyword, key string) {
	var files []string
	all := s.r.All(keyword)
	for _, v := range all {
		if v.Text != "none" {
			files = append(files, v.Text)
		}
	}
	if len(all) > 0 {
		s.take(all[0], key, files)
	}
}

// parseTime reads sshd_config(5), TIME FORMATS: 90, 1m30s, 2h, 1w.
func parseTime(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	var sum time.Duration
	for rest := strings.ToLower(s); rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time", s)
		}
		unit := byte('s')
		if rest = rest[digits:]; rest != "" {
			unit, rest = rest[0], rest[1:]
		}
		if units[unit] == 0 || n > int64(365*24*time.Hour/units[unit]) {
			return 0, fmt.Errorf("%q is not a time", s)
		}
		sum += time.Duration(n) * units[unit]
	}
	return sum, nil
}
