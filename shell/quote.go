package shell

import (
	"errors"
	"slices"
	"strings"
)

// plain are the characters that no POSIX shell gives a meaning to. The equals
// sign is not among them: a command NAME=VALUE would be an assignment.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+,"

// reserved are the words that begin something other than a command, in POSIX
// shells and in bash, ksh and zsh, as far as they are plain.
var reserved = strings.Fields("if then else elif fi do done case esac while until for in function select time coproc repeat foreach end nocorrect")

var errNUL = errors.New("an argument holds a NUL byte, which no program can take")

// Line joins words with spaces, as ssh does: the server's shell reads the line.
func Line(words []string) string { return strings.Join(words, " ") }

// Quote joins a command and its arguments so that each arrives as given, whatever
// bytes it holds, when a POSIX shell reads the line. What needs no quotes gets
// none: programs that check the line, as rrsync does, know it that way.
func Quote(argv []string) (string, error) {
	words := make([]string, len(argv))
	for i, arg := range argv {
		switch {
		case strings.ContainsRune(arg, 0):
			return "", errNUL
		case arg == "", strings.Trim(arg, plain) != "", i == 0 && slices.Contains(reserved, arg):
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		default:
			words[i] = arg
		}
	}
	return Line(words), nil
}
