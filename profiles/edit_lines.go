package profiles

import "strings"

// lineStart returns the offset where the line of i begins.
func (o *outline) lineStart(i int) int { return strings.LastIndexByte(o.text[:i], '\n') + 1 }

// lineEnd returns the offset behind the line of i, and its end.
func (o *outline) lineEnd(i int) int {
	n := strings.IndexByte(o.text[i:], '\n')
	if n < 0 {
		return len(o.text)
	}
	return i + n + 1
}

// eol is how the lines of the text end.
func (o *outline) eol() string {
	if i := strings.IndexByte(o.text, '\n'); i > 0 && o.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indent is what stands before i on its line, if that is blank.
func (o *outline) indent(i int) (blanks string, ok bool) {
	before := o.text[o.lineStart(i):i]
	return before, strings.Trim(before, " \t") == ""
}

func (o *outline) afterBlanks(i int) int {
	for i < len(o.text) && (o.text[i] == ' ' || o.text[i] == '\t') {
		i++
	}
	return i
}

func (o *outline) beforeBlanks(i int) int {
	for i > 0 && (o.text[i-1] == ' ' || o.text[i-1] == '\t') {
		i--
	}
	return i
}

// isBlank reports whether nothing stands on the line that begins at i; the end
// of the text counts.
func (o *outline) isBlank(i int) bool {
	return strings.TrimSpace(o.text[i:o.lineEnd(i)]) == ""
}

func (o *outline) isComment(i int) bool {
	i = o.afterBlanks(i)
	return i < len(o.text) && o.text[i] == '#'
}

// endsLine reports whether only a comment may follow i on its line.
func (o *outline) endsLine(i int) bool {
	return o.isComment(i) || o.isBlank(i)
}

// lead returns where the comments begin that stand directly above a line. They
// are not looked for above floor: there may be strings that look like some.
func (o *outline) lead(line, floor int) int {
	for line > floor {
		above := o.lineStart(line - 1)
		if above < floor || !o.isComment(above) {
			break
		}
		line = above
	}
	return line
}

// floor returns the end of the last line before i that has a header or a key.
func (o *outline) floor(i int) int {
	floor := 0
	for _, t := range o.tables {
		if t.inline {
			continue
		}
		if t.open <= i {
			floor = max(floor, t.open)
		}
		for _, p := range t.pairs {
			if p.end <= i {
				floor = max(floor, o.lineEnd(p.end))
			}
		}
	}
	return floor
}

// tail returns the end of a table with a header: behind its last key and the
// comments directly below, unless they lead up to the next header.
func (o *outline) tail(t *table) int {
	end := t.open
	if n := len(t.pairs); n > 0 {
		end = o.lineEnd(t.pairs[n-1].end)
	}
	rest := end
	for rest < len(o.text) && o.isComment(rest) {
		rest = o.lineEnd(rest)
	}
	if o.isBlank(rest) {
		return rest
	}
	return end
}

// change puts a text in place of what stands from start to end.
type change struct {
	start, end int
	text       string
}

// insert is a change that takes nothing away.
func insert(at int, text string) change { return change{at, at, text} }

// lines is the insertion of whole lines where one begins, or behind a last line
// that has no end.
func (o *outline) lines(at int, lines ...string) change {
	text := strings.Join(lines, o.eol())
	if at > 0 && o.text[at-1] != '\n' {
		return insert(at, o.eol()+text)
	}
	return insert(at, text+o.eol())
}

// apply makes the changes, which come in the order of the text, and checks that
// it is still TOML.
func (o *outline) apply(changes ...change) ([]byte, error) {
	var b strings.Builder
	b.WriteString(o.mark)
	at := 0
	for _, c := range changes {
		b.WriteString(o.text[at:c.start] + c.text)
		at = c.end
	}
	b.WriteString(o.text[at:])
	text := []byte(b.String())
	if _, problem := parse("edited profile", text); problem != nil {
		return nil, *problem
	}
	return text, nil
}
