package files

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/pkg/sftp"

	"tunneld/fault"
)

// Error is why one file or folder was not copied.
type Error struct {
	Path string // made harmless for a terminal
	Err  error
}

// Error is one line: the path and the reason.
func (e *Error) Error() string { return e.Path + ": " + reason(e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Why a file or folder is not copied.
var (
	errFolder    = errors.New("is a folder: -r copies it")
	errNotFolder = errors.New("not a folder")
	errIsFolder  = errors.New("is a folder, and the source is not")
	errIrregular = errors.New("not a regular file")
	errNowhere   = errors.New("a symbolic link that leads nowhere")
	errLoop      = errors.New("a symbolic link that leads back to a folder above it")
	errName      = errors.New("a name that is not possible here")
	errChanged   = errors.New("it changed while it was read")
	errFull      = errors.New("no space left on the server")
)

// reason says what went wrong without the operation and the path, which a person
// did not ask for.
func reason(err error) string {
	var refusal *sftp.StatusError
	var path *fs.PathError
	var link *os.LinkError
	var system *os.SyscallError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file or folder"
	case errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EPERM):
		return "permission denied"
	case errors.As(err, &refusal):
		return "the server says: " + said(refusal)
	case errors.As(err, &path):
		return reason(path.Err)
	case errors.As(err, &link):
		return reason(link.Err)
	case errors.As(err, &system):
		return reason(system.Err)
	default:
		return fault.Clean(err.Error())
	}
}

// said is the server's text: sftp: "Failure" (SSH_FX_FAILURE) without the rest.
func said(e *sftp.StatusError) string {
	text := strings.TrimPrefix(e.Error(), "sftp: ")
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		if own, err := strconv.Unquote(quoted); err == nil && own != "" {
			text = own
		}
	}
	return fault.Clean(text)
}

// Shown is a path as it may stand on a terminal: one with control characters or
// bytes that are no UTF-8 is quoted as Go does.
func Shown(path string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.ValidString(path) || strings.ContainsFunc(path, odd) {
		return strconv.Quote(path)
	}
	return path
}
