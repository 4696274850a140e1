package pyregexp

import (
	"slices"
	"sync"
	"unicode"
)

// class is a set of characters.
type class struct {
	negated    bool
	ranges     []runeRange // in order
	categories []category
	fold       fold // foldNone once the other cases of letters are among the ranges
}

type runeRange struct{ lo, hi rune }

// category is \d, \s or \w, or the capital of one.
type category struct {
	letter  byte // 'd', 's' or 'w'
	negated bool
	ascii   bool
}

// contains tells whether the class has r.
func (c *class) contains(r rune) bool { return c.lists(r) != c.negated }

func (c *class) lists(r rune) bool {
	for _, k := range c.categories {
		if k.contains(r) {
			return true
		}
	}
	if inRanges(c.ranges, r) {
		return true
	}
	if c.fold == foldNone {
		return false
	}
	for _, other := range otherCases(r, c.fold) {
		if inRanges(c.ranges, other) {
			return true
		}
	}
	return false
}

// inRanges looks r up in ranges that are in order.
func inRanges(ranges []runeRange, r rune) bool {
	_, ok := slices.BinarySearchFunc(ranges, r, func(x runeRange, r rune) int {
		switch {
		case x.hi < r:
			return -1
		case x.lo > r:
			return 1
		}
		return 0
	})
	return ok
}

// ordered sorts ranges and joins those that meet.
func ordered(ranges []runeRange) []runeRange {
	slices.SortFunc(ranges, func(a, b runeRange) int { return int(a.lo - b.lo) })
	out := ranges[:0]
	for _, x := range ranges {
		if n := len(out); n > 0 && x.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, x.hi)
			continue
		}
		out = append(out, x)
	}
	return out
}

func (k category) contains(r rune) bool {
	var in bool
	switch k.letter {
	case 'd':
		in = isDigit(r, k.ascii)
	case 's':
		in = isSpace(r, k.ascii)
	case 'w':
		in = isWord(r, k.ascii)
	}
	return in != k.negated
}

func isDigit(r rune, ascii bool) bool {
	if ascii || r < 0x80 {
		return '0' <= r && r <= '9'
	}
	return unicode.IsDigit(r)
}

// isSpace differs from Go's idea of space: Python counts the four separators of ASCII.
func isSpace(r rune, ascii bool) bool {
	return '\t' <= r && r <= '\r' || r == ' ' || !ascii && (0x1c <= r && r <= 0x1f || unicode.IsSpace(r))
}

func isWord(r rune, ascii bool) bool {
	if ascii || r < 0x80 {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// extraCases are characters that Python's i flag takes for each other and Unicode's simple case folding does not.
var extraCases = [][]rune{
	{'i', 'I', 0x130, 0x131},
	{0x390, 0x1fd3},
	{0x3b0, 0x1fe3},
	{0xfb05, 0xfb06},
}

// otherCases returns the characters that are the same as r but for their case.
func otherCases(r rune, f fold) []rune {
	if f == foldASCII {
		if lower := r | 0x20; 'a' <= lower && lower <= 'z' && r < 0x80 {
			return []rune{r ^ 0x20}
		}
		return nil
	}
	for _, same := range extraCases {
		if slices.Contains(same, r) {
			return same
		}
	}
	var others []rune
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		others = append(others, other)
	}
	return others
}

// sameLetter tells whether a back-reference takes a and b for the same. It lowers both and no more: ſ is s in a pattern,
// but does not repeat it.
func sameLetter(a, b rune, f fold) bool {
	switch f {
	case foldUnicode:
		return unicode.ToLower(a) == unicode.ToLower(b)
	case foldASCII:
		return a == b || a < 0x80 && b < 0x80 && unicode.ToLower(a) == unicode.ToLower(b)
	}
	return a == b
}

// maxFolded is how many characters a range may have for its other cases to be listed at compile.
const maxFolded = 2048

// finish puts the ranges in order, with the other cases of letters if these count.
func (c *class) finish(f fold) {
	total := 0
	for _, x := range c.ranges {
		total += int(x.hi-x.lo) + 1
	}
	switch {
	case f == foldNone:
	case total > maxFolded:
		c.fold = f
	default:
		for _, x := range slices.Clone(c.ranges) {
			for r := x.lo; r <= x.hi; r++ {
				for _, other := range otherCases(r, f) {
					c.ranges = append(c.ranges, runeRange{other, other})
				}
			}
		}
	}
	c.ranges = ordered(c.ranges)
}

// notWord lists the characters that are not \w, which RE2 has no name for inside a class.
var notWord = sync.OnceValue(func() []runeRange {
	ranges := []runeRange{{'_', '_'}}
	for _, table := range []*unicode.RangeTable{unicode.L, unicode.N} {
		for _, x := range table.R16 {
			ranges = appendStrided(ranges, rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
		for _, x := range table.R32 {
			ranges = appendStrided(ranges, rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
	}
	return complement(ordered(ranges))
})

func appendStrided(ranges []runeRange, lo, hi, stride rune) []runeRange {
	if stride == 1 {
		return append(ranges, runeRange{lo, hi})
	}
	for r := lo; r <= hi; r += stride {
		ranges = append(ranges, runeRange{r, r})
	}
	return ranges
}

// complement returns what is in none of the ranges, which are in order.
func complement(ranges []runeRange) []runeRange {
	var out []runeRange
	next := rune(0)
	for _, x := range ranges {
		if x.lo > next {
			out = append(out, runeRange{next, x.lo - 1})
		}
		next = max(next, x.hi+1)
	}
	if next <= unicode.MaxRune {
		out = append(out, runeRange{next, unicode.MaxRune})
	}
	return out
}
