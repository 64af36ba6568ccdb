package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean returns a hint that names the known word nearest to word, or "".
func didYouMean(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return ""
}

// nearest returns the known word that is the fewest edits away from word, or
// "" when even that takes more than a third of its letters.
func nearest(word string, known []string) string {
	best, fewest := "", max(2, len(word)/3)+1
	if len(word) > 64 {
		return ""
	}
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < fewest && d < len(k) {
			best, fewest = k, d
		}
	}
	return best
}

// edits counts the insertions, deletions, replacements and swaps of
// neighbours between a and b (the optimal string alignment distance).
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// unknownHint says what an unknown key was probably meant to be: a key of the
// whole file, of other tables, or a near one of this table.
func unknownHint(key string, here, file []field) string {
	if f, ok := lookup(file, key); ok && f.table == nil {
		return fmt.Sprintf("`%s` belongs above the first [table]", key)
	}
	if homes := homesOf(key, "", file); len(homes) > 0 {
		return "it is a key of " + strings.Join(homes, " and ")
	}
	return didYouMean(key, keysOf(here))
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// homesOf returns the tables that have a key, as they are written.
func homesOf(key, prefix string, fields []field) []string {
	var homes []string
	for _, f := range fields {
		if f.table == nil {
			continue
		}
		name := prefix + f.key
		if _, ok := lookup(f.table, key); ok {
			homes = append(homes, header(name, f))
		}
		homes = append(homes, homesOf(key, name+".", f.table)...)
	}
	return slices.Compact(homes)
}

func header(name string, f field) string {
	if f.isList() {
		return "[[" + name + "]]"
	}
	return "[" + name + "]"
}
