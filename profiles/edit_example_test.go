package profiles_test

import (
	"fmt"

	"tunneld/profiles"
)

func ExampleAppendForward() {
	text := []byte(`# databases
server.host = "bastion.example.com" # ask ana
forward.local = [
  { name = "db", listen = 5432, target = "db.internal:5432" }, # the main one
]
`)
	f := profiles.Forward{
		Kind:   profiles.Local,
		Listen: profiles.Address{Network: profiles.TCP, Host: profiles.Localhost, Port: 8080},
		Target: profiles.Address{Network: profiles.TCP, Host: "wiki.internal", Port: 80},
	}
	text, err := profiles.AppendForward(text, f)
	if err != nil {
		panic(err)
	}
	text, err = profiles.SetKey(text, "forward.local[0].enabled", "false")
	if err != nil {
		panic(err)
	}
	fmt.Print(string(text))
	// Output:
	// # databases
	// server.host = "bastion.example.com" # ask ana
	// forward.local = [
	//   { name = "db", listen = 5432, target = "db.internal:5432", enabled = false }, # the main one
	//   { listen = 8080, target = "wiki.internal:80" },
	// ]
}
