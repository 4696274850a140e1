package pyregexp

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxProgram bounds the size of what is left to Go's regexp, in characters once counts are written out: the time of a
// match is its product with the length of the text.
const maxProgram = 2000

// errNotRegular says that a pattern, or its size, is beyond RE2.
var errNotRegular = errors.New("not for RE2")

// texts says for which texts a translation means the same as its pattern, and what matching costs.
type texts struct {
	onlyASCII    bool // the text must be ASCII: RE2's \b knows no other letters
	noFinalLF    bool // the text must not end in a newline: RE2's end of text is that and nothing else
	onlyNonEmpty bool // the text must not be empty: there \B fails in Python
	size         int  // of the program
}

// translation is a pattern in the syntax of Go's regexp. Which of several ways to match is found first does not count,
// only whether there is one.
type translation struct {
	strings.Builder
	texts
}

// translate returns errNotRegular for a pattern that RE2 cannot express.
func translate(n *node) (string, texts, error) {
	t := &translation{}
	t.WriteString(`\A(?:`)
	size, err := t.write(n)
	t.WriteString(`)`)
	t.size = size
	return t.String(), t.texts, err
}

// write appends n and returns its size.
func (t *translation) write(n *node) (int, error) {
	switch n.op {
	case opEmpty:
		return 0, nil
	case opConcat, opAlternate:
		return t.writeAll(n)
	case opCapture:
		t.WriteString("(?:")
		size, err := t.write(n.subs[0])
		t.WriteString(")")
		return size, err
	case opRepeat:
		return t.writeRepeat(n)
	case opChar:
		t.writeClass(&class{ranges: []runeRange{{n.char, n.char}}})
	case opSet:
		if n.set.fold != foldNone {
			return 0, errNotRegular
		}
		t.writeClass(n.set)
	case opAny:
		t.WriteString("(?s:.)")
	case opAnyNotLF:
		t.WriteString(`[^\n]`)
	case opBegin:
		t.WriteString(`\A`)
	case opBeginLine:
		t.WriteString("(?m:^)")
	case opEnd:
		t.noFinalLF = true
		t.WriteString(`\z`)
	case opEndLine:
		t.WriteString("(?m:$)")
	case opEndText:
		t.WriteString(`\z`)
	case opBoundary:
		t.onlyASCII = t.onlyASCII || !n.ascii
		t.WriteString(`\b`)
	case opNotBoundary:
		t.onlyASCII = t.onlyASCII || !n.ascii
		t.onlyNonEmpty = true
		t.WriteString(`\B`)
	default:
		return 0, errNotRegular
	}
	return 1, nil
}

func (t *translation) writeAll(n *node) (int, error) {
	total := 0
	t.WriteString("(?:")
	for i, sub := range n.subs {
		if i > 0 && n.op == opAlternate {
			t.WriteString("|")
			total++
		}
		size, err := t.write(sub)
		if err != nil {
			return 0, err
		}
		if total += size; total > maxProgram {
			return 0, errNotRegular
		}
	}
	t.WriteString(")")
	return total, nil
}

func (t *translation) writeRepeat(n *node) (int, error) {
	if n.mode == possessive || n.min > maxProgram || n.max > maxProgram {
		return 0, errNotRegular
	}
	t.WriteString("(?:")
	size, err := t.write(n.subs[0])
	if err != nil {
		return 0, err
	}
	copies := max(n.max, 1)
	if n.max < 0 {
		copies = n.min + 1
		fmt.Fprintf(t, "){%d,}", n.min)
	} else {
		fmt.Fprintf(t, "){%d,%d}", n.min, n.max)
	}
	if size = (size + 1) * copies; size > maxProgram {
		return 0, errNotRegular
	}
	return size, nil
}

// writeClass writes a class with every character by its number.
func (t *translation) writeClass(c *class) {
	var body strings.Builder
	for _, x := range c.ranges {
		// Half a surrogate pair is no character: Go would take it for U+FFFD. No text has one.
		writeRange(&body, runeRange{x.lo, min(x.hi, 0xd7ff)})
		writeRange(&body, runeRange{max(x.lo, 0xe000), x.hi})
	}
	for _, k := range c.categories {
		writeCategory(&body, k)
	}
	negated := c.negated
	if body.Len() == 0 {
		negated = !negated
		writeRange(&body, runeRange{0, unicode.MaxRune})
	}
	t.WriteByte('[')
	if negated {
		t.WriteByte('^')
	}
	t.WriteString(body.String())
	t.WriteByte(']')
}

func writeRange(b *strings.Builder, x runeRange) {
	if x.lo <= x.hi {
		fmt.Fprintf(b, `\x{%X}-\x{%X}`, x.lo, x.hi)
	}
}

// writeCategory writes a category for the inside of a class.
func writeCategory(b *strings.Builder, k category) {
	if !k.ascii {
		switch {
		case k.letter == 'd' && k.negated:
			b.WriteString(`\P{Nd}`)
			return
		case k.letter == 'd':
			b.WriteString(`\p{Nd}`)
			return
		case k.letter == 'w' && !k.negated:
			b.WriteString(`\p{L}\p{N}_`)
			return
		case k.letter == 'w':
			for _, x := range notWord() {
				writeRange(b, x)
			}
			return
		}
	}
	ranges := categoryRanges(k)
	if k.negated {
		ranges = complement(ordered(ranges))
	}
	for _, x := range ranges {
		writeRange(b, x)
	}
}

// categoryRanges lists a category that is short, without its negation.
func categoryRanges(k category) []runeRange {
	switch k.letter {
	case 'd':
		return []runeRange{{'0', '9'}}
	case 'w':
		return []runeRange{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	}
	ranges := []runeRange{{'\t', '\r'}, {' ', ' '}}
	if !k.ascii {
		ranges = append(ranges, runeRange{0x1c, 0x1f})
		for _, x := range unicode.White_Space.R16 {
			ranges = appendStrided(ranges, rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
	}
	return ranges
}
