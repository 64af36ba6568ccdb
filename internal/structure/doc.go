// Package structure holds no code, only the tests that keep the tree in shape:
//
//   - the imports form a star, as ARCHITECTURE.md draws it;
//   - every package has a doc comment;
//   - there is no init function, no os.Exit outside package main, and no
//     goroutine without a name;
//   - every dependency is named with its reason in ARCHITECTURE.md;
//   - no file holds a path of the machine it was written on.
//
// A new package needs a line in the table of structure_test.go.
package structure
