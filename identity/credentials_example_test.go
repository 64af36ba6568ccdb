package identity_test

import (
	"context"
	"fmt"

	"tunneld/fault"
	"tunneld/identity"
)

// script is a person who always gives the same answers.
type script []string

func (s script) Ask(_ context.Context, q identity.Question) ([]string, error) {
	if len(s) != len(q.Prompts) {
		return nil, identity.ErrNobody
	}
	return s, nil
}

// How a user proves who it is. A link begins a Login for each connection and
// makes its Next the AuthCallback of a ssh.ClientConfig.
func ExampleCredentials() {
	c := identity.Credentials{
		Methods:    []string{"publickey", "password"},
		Files:      []string{"/home/ana/.ssh/none"},
		Named:      true,
		Passphrase: "keyring:work",
		Password:   "prompt",
		Asker:      script{"a password"},
		Memory:     new(identity.Memory),
	}
	login := c.Begin(context.Background())
	defer login.Close()
	for _, p := range login.Problems() {
		fmt.Println(p, "-", fault.HintOf(p))
	}
	// Output:
	// key_unreadable: /home/ana/.ssh/none does not exist - check the path in auth.identity_files and that the account that runs tunneld can read it
}

// Where a secret is kept, and reading it.
func ExampleSource_Resolve() {
	s := identity.Source{Getenv: func(string) string { return "open sesame" }}
	value, err := s.Resolve(context.Background(), "env:WORK_KEY")
	fmt.Println(len(value), err)
	_, err = s.Resolve(context.Background(), "credential:work")
	fmt.Println(err)
	// Output:
	// 11 <nil>
	// credential:work: systemd passed no credentials (LoadCredential= in the unit)
}
