//go:build !windows

package control_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"tunneld/control"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tunneld.sock")

	// The daemon.
	listener, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := &fake{status: control.Status{Profiles: []control.Profile{{Name: "work", State: "up"}}}}
	ended := make(chan error)
	go func() { ended <- control.Serve(ctx, listener, d, control.Options{}) }()

	// A command.
	client, err := control.Dial(ctx, path)
	if err != nil {
		fmt.Println(err)
		return
	}
	status, err := client.Status(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status.Profiles[0].Name, status.Profiles[0].State)

	cancel()
	fmt.Println(<-ended)
	_, err = control.Dial(context.Background(), path)
	fmt.Println(err != nil)
	// Output:
	// work up
	// context canceled
	// true
}
