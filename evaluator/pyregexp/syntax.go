package pyregexp

// node is a parsed pattern. Which fields count depends on op.
type node struct {
	op   op
	char rune   // opChar
	set  *class // opSet
	subs []*node

	min, max int  // opRepeat; max < 0 means no bound
	mode     mode // opRepeat

	group  int  // opCapture, opBackref, opConditional
	fold   fold // opBackref
	ascii  bool // opBoundary, opNotBoundary: letters and digits of ASCII only
	negate bool // opLook
	behind bool // opLook
	width  int  // opLook behind: characters to step back
}

type op uint8

const (
	opEmpty       op = iota
	opChar           // one character, exactly
	opSet            // one character of a class
	opAny            // one character
	opAnyNotLF       // one character but a newline
	opBegin          // \A, and ^ without the m flag
	opBeginLine      // ^ with it
	opEnd            // $ without it: at the end, or before a newline at the end
	opEndLine        // $ with it
	opEndText        // \Z
	opBoundary       // \b
	opNotBoundary    // \B
	opConcat         // subs in order
	opAlternate      // one of subs
	opRepeat         // subs[0]
	opCapture        // subs[0], remembered
	opAtomic         // subs[0], its first way to match only
	opLook           // subs[0], consuming nothing
	opBackref        // the text of a group again
	opConditional    // subs[0] if a group has matched, else subs[1]
)

// mode is how a repetition chooses its count.
type mode uint8

const (
	greedy mode = iota
	lazy
	possessive
)

// fold is how letters compare.
type fold uint8

const (
	foldNone    fold = iota
	foldUnicode      // the i flag
	foldASCII        // the i and a flags
)

// flags are the inline flags in force at a place of the pattern.
type flags struct {
	ascii, ignoreCase, multiLine, dotAll, verbose bool
}

func (f flags) fold() fold {
	switch {
	case !f.ignoreCase:
		return foldNone
	case f.ascii:
		return foldASCII
	}
	return foldUnicode
}

// maxWidth bounds the widths that are computed; anything greater is as good as endless.
const maxWidth = 1 << 40

// widths returns the least and the greatest number of characters that n can match. groups are those of the groups that
// are closed.
func (n *node) widths(groups []groupWidths) (least, greatest int) {
	switch n.op {
	case opChar, opSet, opAny, opAnyNotLF:
		return 1, 1
	case opConcat:
		for _, sub := range n.subs {
			l, g := sub.widths(groups)
			least, greatest = least+l, greatest+g
		}
	case opAlternate, opConditional:
		least = maxWidth
		for _, sub := range n.subs {
			l, g := sub.widths(groups)
			least, greatest = min(least, l), max(greatest, g)
		}
	case opRepeat:
		l, g := n.subs[0].widths(groups)
		least = saturatedProduct(l, n.min)
		greatest = saturatedProduct(g, n.max)
		if n.max < 0 && g > 0 {
			greatest = maxWidth
		}
	case opCapture, opAtomic:
		return n.subs[0].widths(groups)
	case opBackref:
		return groups[n.group].least, groups[n.group].greatest
	}
	return min(least, maxWidth), min(greatest, maxWidth)
}

// groupWidths is the width of a capturing group.
type groupWidths struct {
	closed          bool
	least, greatest int
}

func saturatedProduct(a, b int) int {
	if a <= 0 || b <= 0 {
		return 0
	}
	if a > maxWidth/b {
		return maxWidth
	}
	return a * b
}
