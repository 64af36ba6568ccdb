package structure

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source is one Go file of the tree.
type source struct {
	path   string // from the root, with slashes
	dir    string
	syntax *ast.File
	fset   *token.FileSet
}

func (f *source) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f *source) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// find returns what look says about the nodes of f, with their places.
func (f *source) find(look func(ast.Node, *source) string) []string {
	var found []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if n == nil {
			return true
		}
		if text := look(n, f); text != "" {
			found = append(found, f.path+":"+strconv.Itoa(f.fset.Position(n.Pos()).Line)+": "+text)
		}
		return true
	})
	return found
}

// report fails the test with what look says about any node outside tests.
func report(t *testing.T, look func(ast.Node, *source) string) {
	t.Helper()
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		for _, text := range f.find(look) {
			t.Error(text)
		}
	}
}

// sources parses every Go file, whatever system it is for.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	for path, text := range texts(t) {
		if strings.HasSuffix(path, ".go") && !strings.Contains(path, "/testdata/") {
			all = append(all, parse(t, path, text))
		}
	}
	if len(all) == 0 {
		t.Fatal("no sources found")
	}
	return all
}

func parse(t *testing.T, path string, text []byte) *source {
	t.Helper()
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	dir := "."
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir = path[:i]
	}
	return &source{path: path, dir: dir, syntax: syntax, fset: fset}
}

// texts reads the files of the tree that people wrote.
func texts(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	top := root(t)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if isMade(rel) || d.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || d.Name() == ".git" { // a file in a second worktree
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil && !bytes.ContainsRune(text[:min(len(text), 512)], 0) {
			all[filepath.ToSlash(rel)] = text
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isMade tells whether a folder of the root holds only what a build made.
func isMade(rel string) bool { return rel == "bin" || rel == "dist" }

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above this package")
		}
		dir = parent
	}
}
