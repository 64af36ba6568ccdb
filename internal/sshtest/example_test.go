package sshtest_test

import (
	"fmt"
	"io"

	"tunneld/internal/sshtest"
)

// What went through a tunnel is compared with what should have, without
// keeping either.
func Example() {
	through, in := io.Pipe()
	go func() {
		io.Copy(in, sshtest.Pattern(1<<20))
		in.Close()
	}()
	fmt.Println(sshtest.Digest(through) == sshtest.Digest(sshtest.Pattern(1<<20)))
	fmt.Println(sshtest.Digest(sshtest.Pattern(3)))
	// Output:
	// true
	// 3 bytes, sha256 60e9a612a6db1d684f4bbd0ca700ebdf2c6da9e7bca541455f7c110791e2f248
}
