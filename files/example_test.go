package files_test

import (
	"context"
	"fmt"
	"io"

	"tunneld/files"
)

func ExampleShown() {
	fmt.Println(files.Shown("two words"), files.Shown("two\nlines"))
	// Output: two words "two\nlines"
}

func ExampleCopier() {
	c := files.Copier{
		Open: func(ctx context.Context) (io.ReadWriteCloser, error) {
			return nil, fmt.Errorf("open the subsystem sftp of an SSH session here")
		},
		Recursive: true,
		Failed:    func(err error) { fmt.Println("not copied:", err) },
		Progress:  func(p files.Progress) { fmt.Println(p.Path, p.Done, "of", p.Total) },
	}
	fmt.Println(c.Upload(context.Background(), []string{"site"}, "/var/www"))
	// Output: open the subsystem sftp of an SSH session here
}
