package profiles

import (
	"sort"

	"github.com/pelletier/go-toml/v2/unstable"
)

// placer finds the places of keys and values.
type placer struct {
	file  string
	lines []int // the offset of each line
}

func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

func (m *placer) at(offset int) place {
	n := sort.SearchInts(m.lines, offset+1)
	return place{m.file, n, offset - m.lines[n-1] + 1}
}

// document adds every key of data below root. It runs on text that is known
// to be good, so a parser error only ends it.
func (m *placer) document(root *node, data []byte) {
	p := unstable.Parser{}
	p.Reset(data)
	table := root
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table:
			table = m.keys(root, e.Key())
		case unstable.ArrayTable:
			list := m.keys(root, e.Key())
			table = list.item(len(list.items), m.header(e))
		case unstable.KeyValue:
			m.value(m.keys(table, e.Key()), e.Value())
		}
	}
}

// keys walks down a dotted key; in an array of tables it enters the last one.
func (m *placer) keys(n *node, keys unstable.Iterator) *node {
	for keys.Next() {
		if len(n.items) > 0 {
			n = n.items[len(n.items)-1]
		}
		key := keys.Node()
		n = n.field(string(key.Data), m.at(int(key.Raw.Offset)))
	}
	return n
}

// header is the place of a [[table]]: that of its first key.
func (m *placer) header(e *unstable.Node) place {
	return m.at(int(e.Child().Raw.Offset))
}

func (m *placer) value(n *node, v *unstable.Node) {
	children := v.Children()
	switch v.Kind {
	case unstable.InlineTable:
		for children.Next() {
			m.value(m.keys(n, children.Node().Key()), children.Node().Value())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			child, at := children.Node(), n.at
			if child.Raw.Length > 0 {
				at = m.at(int(child.Raw.Offset))
			}
			m.value(n.item(i, at), child)
		}
	}
}
