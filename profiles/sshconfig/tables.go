package sshconfig

import "strings"

// byLowerName makes the table of the keywords that are carried over.
func byLowerName(all ...keyword) map[string]keyword {
	table := make(map[string]keyword, len(all))
	for _, k := range all {
		table[strings.ToLower(k.name)] = k
	}
	return table
}

// reasons are notices by keyword in lower case.
type reasons map[string]notice

func notices(n notice, keywords ...string) reasons { return reasons{}.and(n, keywords...) }

func (r reasons) and(n notice, keywords ...string) reasons {
	for _, k := range keywords {
		r[strings.ToLower(k)] = n
	}
	return r
}
