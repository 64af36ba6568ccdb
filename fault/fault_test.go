package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strings"
	"testing"

	"tunneld/fault"
)

func Example() {
	cause := errors.New("read: connection reset by peer")
	err := fmt.Errorf("link work: %w", fault.New(fault.NotSSH, fault.Version, "the server sent %q: %w", "HTTP/1.1", cause))
	fmt.Println(err)
	fmt.Println(fault.CodeOf(err), errors.Is(err, cause))
	fmt.Println(fault.HintOf(err))
	// Output:
	// link work: not_ssh: the server sent "HTTP/1.1": read: connection reset by peer
	// not_ssh true
	// something other than an SSH server answers there: check server.host and server.port
}

// Every declared code stands in the table once, with a group and a hint.
func TestEveryCodeIsInTheTable(t *testing.T) {
	seen := map[fault.Code]int{}
	for _, e := range fault.Table() {
		seen[e.Code]++
		if e.Group == "" || e.Hint == "" || strings.HasSuffix(strings.TrimSuffix(e.Hint, "SHA256:..."), ".") {
			t.Errorf("%s: group %q, hint %q", e.Code, e.Group, e.Hint)
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Code" {
			declared++
			code := fault.Code(strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
			if seen[code] != 1 {
				t.Errorf("%s stands %d times in the table", code, seen[code])
			}
		}
		return true
	})
	if declared != len(seen) {
		t.Errorf("%d codes declared, %d in the table", declared, len(seen))
	}
}

func TestHint(t *testing.T) {
	own := fault.New(fault.AuthRejected, fault.Auth, "no").WithHint("use key %d", 2)
	if got := fault.HintOf(own); got != "use key 2" {
		t.Errorf("own hint: %q", got)
	}
	if got := fault.HintOf(io.EOF); got != "" {
		t.Errorf("hint of a nameless error: %q", got)
	}
	if got := fault.CodeOf(io.EOF); got != "" {
		t.Errorf("code of a nameless error: %q", got)
	}
}

func TestRecover(t *testing.T) {
	work := func() (err error) {
		defer fault.Recover(&err)
		panic("boom")
	}
	var p *fault.Panic
	if err := work(); !errors.As(err, &p) || p.Value != "boom" || len(p.Stack) == 0 {
		t.Errorf("recovered: %#v", p)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		"a\x1b[31mred\x07\r\nb":   "a [31mred b",
		"bidi\u202eevil":          "bidi evil",
		"bad \xff byte":           "bad \ufffd byte",
		" \t spaces \n":           "spaces",
		strings.Repeat("x", 1000): strings.Repeat("x", 300) + "...",
	} {
		if got := fault.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
