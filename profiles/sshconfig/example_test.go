package sshconfig_test

import (
	"fmt"
	"os"
	"path/filepath"

	"tunneld/profiles/sshconfig"
)

func Example() {
	dir, err := os.MkdirTemp("", "sshconfig")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config")
	text := `
Host db
  HostName %h.internal
  ProxyJump bastion
  Compression yes
Host bastion
  HostName bastion.example.com
  User ana
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	r, err := sshconfig.Resolve("db", sshconfig.Environment{User: "me"}, file)
	if err != nil {
		panic(err)
	}
	name, _ := r.First("HostName")
	fmt.Println(name.Text, "line", name.Line)
	fmt.Println(r.Jumps[0])
	fmt.Println(r.Skipped[0].Keyword, "line", r.Skipped[0].Line)
	// Output:
	// db.internal line 3
	// ana@bastion.example.com:22
	// Compression line 5
}
