package capturetest

import (
	"fmt"
	"strings"
)

const (
	maxDiffs   = 10   // differences that are shown
	around     = 2    // equal lines shown before each
	lookAhead  = 2000 // how far apart equal lines may lie to be found
	maxMissing = 20   // lines of one difference that are shown
)

// diff tells what is different in have, or nothing.
func diff(want, have []line) string {
	var out strings.Builder
	i, j, shown, more := 0, 0, 0, 0
	for i < len(want) || j < len(have) {
		if i < len(want) && j < len(have) && want[i].exact == have[j].exact {
			i, j = i+1, j+1
			continue
		}
		gone, come := resync(want[i:], have[j:])
		if shown++; shown <= maxDiffs {
			fmt.Fprintf(&out, "line %d, in the other %d:\n", i+1, j+1)
			for _, l := range want[max(i-around, 0):i] {
				fmt.Fprintf(&out, "  %s\n", l.text)
			}
			hide := exactly(want[i:i+gone], have[j:j+come])
			show(&out, "-", want[i:i+gone], hide)
			show(&out, "+", have[j:j+come], hide)
		} else {
			more++
		}
		i, j = i+gone, j+come
	}
	if more > 0 {
		fmt.Fprintf(&out, "and %d more differences\n", more)
	}
	return out.String()
}

// resync returns how many lines of each side lie before the next that are equal.
func resync(want, have []line) (gone, come int) {
	where := make(map[string]int)
	for j := min(len(have), lookAhead) - 1; j >= 0; j-- {
		where[have[j].exact] = j
	}
	best := len(want) + len(have) + 1
	gone, come = len(want), len(have)
	for i := 0; i < min(len(want), lookAhead) && i < best; i++ {
		if j, ok := where[want[i].exact]; ok && i+j < best {
			best, gone, come = i+j, i, j
		}
	}
	return gone, come
}

// exactly tells whether the lines look the same to people, so that what is behind
// them must be shown.
func exactly(want, have []line) bool {
	for i := range min(len(want), len(have)) {
		if want[i].text == have[i].text {
			return true
		}
	}
	return false
}

func show(out *strings.Builder, sign string, lines []line, exact bool) {
	for i, l := range lines {
		if i == maxMissing {
			fmt.Fprintf(out, "%s and %d more lines\n", sign, len(lines)-i)
			return
		}
		if exact {
			fmt.Fprintf(out, "%s %s   [%s]\n", sign, l.text, l.exact)
		} else {
			fmt.Fprintf(out, "%s %s\n", sign, l.text)
		}
	}
}
