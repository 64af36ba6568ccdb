package shell_test

import (
	"fmt"

	"tunneld/shell"
)

func ExampleQuote() {
	line, err := shell.Quote([]string{"grep", "-r", "it's here", "."})
	fmt.Println(line, err)
	fmt.Println(shell.Line([]string{"ls", "*.go"}))
	// Output:
	// grep -r 'it'\''s here' . <nil>
	// ls *.go
}
