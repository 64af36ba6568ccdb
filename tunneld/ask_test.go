package main

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"tunneld/control"
)

// A server's words are marked, whatever they say, and ours are not.
func TestQuestionSaysWhoAsks(t *testing.T) {
	const phishing = "Passphrase of the key /home/ana/.ssh/id_ed25519:"
	for _, test := range []struct {
		prompt control.Prompt
		told   string
		asked  []string
	}{
		{
			control.Prompt{Server: "ana@db.example.com:22", Prompts: []control.PromptLine{{Text: phishing}}},
			"To log in to ana@db.example.com:22:\n", []string{phishing},
		},
		{
			control.Prompt{
				Server: "ana@[fe80::1]:2222", FromServer: true, Name: "Token", Instruction: "Look at it",
				Prompts: []control.PromptLine{{Text: phishing}, {Text: "Code:", Echo: true}},
			},
			"To log in to ana@[fe80::1]:2222:\n(ana@[fe80::1]) Token\n(ana@[fe80::1]) Look at it\n",
			[]string{"(ana@[fe80::1]) " + phishing, "(ana@[fe80::1]) Code:"},
		},
	} {
		var told bytes.Buffer
		var asked []string
		answers, err := put(&told, test.prompt, func(line control.PromptLine) (string, error) {
			asked = append(asked, line.Text)
			return line.Text, nil
		})
		if err != nil || !slices.Equal(answers, asked) {
			t.Errorf("answers %q, %v", answers, err)
		}
		if told.String() != test.told || !slices.Equal(asked, test.asked) {
			t.Errorf("told %q, asked %q", told.String(), asked)
		}
		_, err = put(&told, test.prompt, func(control.PromptLine) (string, error) { return "", errInterrupted })
		if !errors.Is(err, errInterrupted) {
			t.Error(err)
		}
	}
}
