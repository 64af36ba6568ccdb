package profiles

import (
	"fmt"
	"strconv"
	"strings"
)

// Template is what a person says of a new profile. Only Host is needed.
type Template struct {
	Name        string // of the profile
	Description string
	Host        string
	Port        int    // 0 leaves it out
	User        string // "" leaves it out
	Keys        []string
	Forwards    []Forward // of each, Kind, Name, Listen and Target
	TrustX11    bool
}

// remark is how wide a line is before its comment.
const remark = 42

// TOML writes the profile with comments that lead on: what is left out stands
// there as an example. Paths in the home folder begin with ~.
func (t Template) TOML(env Environment) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# The profile %[1]s, made by tunneld init. tunneld check --show %[1]s\n# prints every key with its value; what is not written has a good default.\n", comment(t.Name))
	if t.Description != "" {
		b.WriteString("description = " + tomlString(t.Description) + "\n")
	}
	b.WriteString("\n[server]\nhost = " + tomlString(t.Host) + "\n")
	if t.Port != 0 {
		b.WriteString("port = " + strconv.Itoa(t.Port) + "\n")
	}
	if t.User != "" {
		b.WriteString("user = " + tomlString(t.User) + "\n")
	}
	explain(&b, `# proxy_jump = ["gateway.example.com"]`, "by way of other hosts, the first one first")
	t.writeKeys(&b, env)
	for _, f := range t.Forwards {
		b.WriteString("\n")
		explain(&b, "[[forward."+string(f.Kind)+"]]", explanations[f.Kind])
		b.WriteString(strings.Join(f.keys(), "\n") + "\n")
	}
	if len(t.Forwards) == 0 {
		b.WriteString("\n")
		explain(&b, "# [[forward.local]]", explanations[Local])
		b.WriteString("# listen = 5432\n# target = \"db.internal:5432\"\n")
	}
	if t.TrustX11 {
		b.WriteString("\n[x11]\n")
		explain(&b, "trusted = true", "programs of the server may see and type everything on the display")
	}
	return []byte(b.String())
}

func (t Template) writeKeys(b *strings.Builder, env Environment) {
	if len(t.Keys) == 0 {
		b.WriteString("\n# [auth]\n")
		explain(b, `# identity_files = ["~/.ssh/id_ed25519"]`, "else OpenSSH's usual keys, and those of the agent")
		return
	}
	b.WriteString("\n[auth]\nidentity_files = " + Draft{env: env}.valueText(t.Keys) + "\n")
	if ValidName(t.Name) != "" {
		explain(b, `# passphrase = "keyring:`+t.Name+`"`, "after: tunneld secret set "+t.Name)
	}
}

// explanations say what the kinds do.
var explanations = map[Kind]string{
	Local:   "listens here; the server dials the target",
	Remote:  "listens on the server; the target is dialled here",
	Dynamic: "listens here for SOCKS and HTTP; the server dials what each client asks for",
}

func explain(b *strings.Builder, line, why string) {
	fmt.Fprintf(b, "%-*s # %s\n", remark, line, why)
}
