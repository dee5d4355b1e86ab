package conf

import (
	"fmt"
	"strings"
)

// Suggest returns the known word that word was probably meant to be, or "" when
// none is near: one slip (a letter too many, too few, wrong or swapped with its
// neighbour) is forgiven, and one more for every four letters. Case is ignored.
func Suggest(word string, known []string) string {
	best, nearest := "", 2+len(word)/4
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < nearest && d < len(k) {
			best, nearest = k, d
		}
	}
	return best
}

// didYouMean is the end of a message about an unknown word, "" without a guess.
func didYouMean(word string, known []string) string {
	if s := Suggest(word, known); s != "" {
		return fmt.Sprintf("; did you mean %q?", s)
	}
	return ""
}

// distance is the number of slips between two words (optimal string alignment).
func distance(a, b string) int {
	if len(a)-len(b) > 64 || len(b)-len(a) > 64 {
		return len(a) + len(b) // too far to be worth a big table
	}
	var before []int // the row before the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			swap := 1
			if a[i] == b[j] {
				swap = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+swap)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
