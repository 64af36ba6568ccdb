package install

import (
	_ "embed" // the units
	"regexp"
	"strings"
)

// The units, as packages ship them.
var (
	//go:embed systemd/system/tunneld.service
	systemUnit string
	//go:embed systemd/user/tunneld.service
	userUnit string
	//go:embed systemd/sysusers.d/tunneld.conf
	sysusers string
)

// packagedProgram is where packages put the program; the units name it.
const packagedProgram = "/usr/bin/tunneld"

// unit is the unit's text for the program.
func (s Service) unit() string {
	text := systemUnit
	if s.User {
		text = userUnit
	}
	return strings.Replace(text, "ExecStart="+packagedProgram+" ", "ExecStart="+quoted(s.Program)+" ", 1)
}

var startLine = regexp.MustCompile(`(?m)^ExecStart=.* run --system$`)

// isOurUnit reports whether the text is the machine's unit for any program.
func isOurUnit(text string) bool {
	return startLine.ReplaceAllLiteralString(text, "") == startLine.ReplaceAllLiteralString(systemUnit, "")
}

// quoted writes a path as a unit's command line wants it (systemd.service(5),
// "Command lines").
func quoted(path string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(path)
	if escaped == path && !strings.ContainsAny(path, " \t'") {
		return path
	}
	return `"` + escaped + `"`
}
