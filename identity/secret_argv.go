package identity

import (
	"errors"
	"strings"
)

// SplitArgv splits a command line into words as a POSIX shell does, but expands
// nothing: blanks part words, '...' is literal, and within "..." a backslash
// quotes " and itself. Outside of quotes a backslash quotes a blank, a quote or
// itself and is otherwise literal, so that C:\bin\pass.exe is one word.
func SplitArgv(line string) ([]string, error) {
	var argv []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line) && strings.IndexByte(escapable(quote), line[i+1]) >= 0:
			i++
			word.WriteByte(line[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.IndexByte(blanks, c) >= 0:
			if inWord {
				argv = append(argv, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		argv = append(argv, word.String())
	}
	return argv, nil
}

const blanks = " \t\r\n"

// escapable are the bytes that a backslash quotes.
func escapable(quote byte) string {
	if quote == '"' {
		return `"\`
	}
	return blanks + `'"\`
}
