package profiles_test

import (
	"fmt"
	"os"
	"path/filepath"

	"tunneld/profiles"
)

func Example() {
	dir, err := os.MkdirTemp("", "profiles")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "profiles", "lab.toml")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		panic(err)
	}
	save := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	loader := profiles.Loader{Dir: dir, Env: profiles.Environment{User: "ana", Home: "/home/ana"}}

	save(`
server.host = "bastion.example.com"
forward.local = [{ listen = 5432, target = "db.internal:5432" }]
`)
	before, _ := loader.Load()
	for p := range before.All() {
		fmt.Println(p.Name, p.Server.Host, p.Forwards[0].Name, p.Forwards[0].Listen)
	}

	save(`
server.host = "bastion.example.com"
forward.local = [{ listen = 5432, target = "db2.internal:5432" }]
`)
	after, _ := loader.Load()
	for _, change := range profiles.Diff(before, after) {
		fmt.Println(change)
	}

	save(`
server.host = "bastion.example.com"
forward.local = [{ listen = 5432, tagret = "db.internal:5432" }]
`)
	set, problems := loader.Load()
	fmt.Println(problems[0])
	fmt.Println(set.Version("lab"))
	// Output:
	// lab bastion.example.com local-5432 localhost:5432
	// stop_forward lab/local-5432
	// start_forward lab/local-5432
	// profiles/lab.toml:3:35: forward.local[0].tagret: unknown key; did you mean target?
	// last_good
}
