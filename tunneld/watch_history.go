package main

import (
	"strings"

	"tunneld/control"
)

// minute is how many samples a history keeps, one a tick.
const minute = 60

// history is what flowed through each forward in the last minute, both ways
// together, in bytes per second.
type history struct {
	ticks int
	flows map[target][]float64 // oldest first
}

// add takes a sample of every forward in s, or a silent one where s is not
// known. What is gone from s is forgotten.
func (h *history) add(s control.Status, known bool) {
	h.ticks++
	flows := map[target][]float64{}
	for _, p := range s.Profiles {
		for _, f := range p.Forwards {
			sample := 0.0
			if known {
				sample = f.RateToServer + f.RateFromServer
			}
			t := target{profile: p.Name, forward: f.Name}
			all := append(h.flows[t], sample)
			flows[t] = all[max(0, len(all)-minute):]
		}
	}
	h.flows = flows
}

// spark draws the last minute of t in width cells, the newest to the right,
// each as high as its part of the highest. A cell stands for the same samples
// for as long as it is seen: it moves, but does not flicker.
func (h *history) spark(t target, width int) string {
	samples := h.flows[t]
	if width < 1 {
		return ""
	}
	each := (minute + width - 1) / width // samples in a cell
	cells := make([]float64, width)
	highest := 0.0
	for i, v := range samples {
		number := h.ticks - len(samples) + i
		if at := width - 1 - ((h.ticks-1)/each - number/each); at >= 0 {
			cells[at] = max(cells[at], v)
			highest = max(highest, v)
		}
	}
	var b strings.Builder
	for _, v := range cells {
		b.WriteRune(bar(v, highest))
	}
	return b.String()
}

// bar is v as a part of highest: an eighth of a cell for the least that flows,
// nothing for nothing.
func bar(v, highest float64) rune {
	bars := []rune(" ▁▂▃▄▅▆▇█")
	if v < slowest {
		return bars[0]
	}
	return bars[1+int(v/highest*float64(len(bars)-2))]
}
