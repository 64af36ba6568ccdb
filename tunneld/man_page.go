package main

import (
	"fmt"
	"strings"
)

// manWidth is the longest line of a page's source.
const manWidth = 72

// manPage writes a page with the macros of man(7). It has its own few lines for
// that: pages by way of Markdown lose a pattern such as 'lab-*' to emphasis.
type manPage struct{ strings.Builder }

// newManPage begins a page with its name and one line about it.
func newManPage(name, section, short string) *manPage {
	p := &manPage{}
	fmt.Fprintf(p, ".TH %q %s %q \"tunneld %s\" tunneld\n", strings.ToUpper(name), section, builtOn(), version())
	p.section("NAME")
	p.line(escape(name) + ` \- ` + escape(short))
	return p
}

// macro writes a request with its arguments.
func (p *manPage) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		p.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

func (p *manPage) section(title string) { p.macro("SH", title) }

// line writes a line that is escaped already.
func (p *manPage) line(text string) {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text // else it would be a request
	}
	p.WriteString(text + "\n")
}

// text writes words, in lines that are not too long.
func (p *manPage) text(text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch word = escape(word); {
		case line == "":
			line = word
		case len(line)+1+len(word) > manWidth:
			p.line(line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		p.line(line)
	}
}

// paragraphs writes text that has an empty line between two paragraphs.
func (p *manPage) paragraphs(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			p.macro("PP")
		}
		p.text(paragraph)
	}
}

// item writes what head, which is escaped already, means.
func (p *manPage) item(head, text string) {
	p.macro("TP")
	p.line(head)
	p.text(text)
}

// code writes lines as they are.
func (p *manPage) code(text string) {
	p.macro("nf")
	for line := range strings.Lines(text) {
		p.line(escape(strings.TrimRight(line, "\n")))
	}
	p.macro("fi")
}

// escape makes text mean itself.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(text)
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }
