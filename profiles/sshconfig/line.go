package sshconfig

import (
	"errors"
	"strings"
)

const blanks = " \t"

// line is one directive.
type line struct {
	keyword string // as written
	rest    string // all behind it, as written
	args    []string
}

// parseLine splits a line as ssh does: a keyword, blanks or one "=", and
// arguments. A blank line or a comment has no keyword.
func parseLine(text string) (line, error) {
	text = strings.TrimRight(text, " \t\r\n\f")
	text = strings.TrimLeft(text, blanks)
	if text == "" || text[0] == '#' {
		return line{}, nil
	}
	l := line{keyword: text}
	if i := strings.IndexAny(text, blanks+"="); i >= 0 {
		l.keyword, l.rest = text[:i], strings.TrimLeft(text[i:], blanks)
		if after, found := strings.CutPrefix(l.rest, "="); found {
			l.rest = strings.TrimLeft(after, blanks)
		}
	}
	l.keyword = strings.Trim(l.keyword, `"`)
	var err error
	if l.args, err = splitArgs(l.rest); err != nil {
		return l, err
	}
	if len(l.args) == 0 {
		return l, errors.New("there is no value")
	}
	return l, nil
}

// splitArgs splits arguments at blanks. Quotes of both kinds keep words
// together, a backslash quotes a quote, itself and, outside of quotes, a
// space; any other one stays. A word that begins with # ends the line.
func splitArgs(s string) ([]string, error) {
	var args []string
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(blanks, s[i]) >= 0 {
			i++
		}
		if i >= len(s) || s[i] == '#' {
			return args, nil
		}
		word, next, err := splitWord(s, i)
		if err != nil {
			return nil, err
		}
		args, i = append(args, word), next
	}
}

// splitWord reads one word from i and returns where it ends.
func splitWord(s string, i int) (string, int, error) {
	var word strings.Builder
	quote := byte(0)
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && isEscape(s[i+1], quote):
			i++
			word.WriteByte(s[i])
		case quote == 0 && strings.IndexByte(blanks, c) >= 0:
			return word.String(), i, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			word.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", i, errors.New("a quote is not closed")
	}
	return word.String(), i, nil
}

func isEscape(c, quote byte) bool {
	return c == '\'' || c == '"' || c == '\\' || (c == ' ' && quote == 0)
}
