package pyregexp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxPattern = 10_000        // bytes
	maxNesting = 200           // groups in groups; Python gives up not far above
	maxRepeat  = 4_294_967_295 // a count must be below
)

// parser reads a pattern by recursive descent. The position is always at the start of a character or an escape.
type parser struct {
	pattern string
	pos     int
	depth   int
	flags   flags // in force where the parser is
	ascii   bool  // the a flag was given for the whole pattern
	unicode bool  // the u flag was, which excludes a

	names      map[string]int
	groups     []groupWidths // groups[0] stands for the whole pattern
	lookBehind int           // inside a look-behind: the number of groups when it began, else 0
	maxGroup   int           // the greatest group that a condition names by number
}

// parse reads a whole pattern and returns it with the number of its groups.
func parse(pattern string) (*node, int, error) {
	if len(pattern) > maxPattern {
		return nil, 0, fmt.Errorf("pattern longer than %d bytes", maxPattern)
	}
	if !utf8.ValidString(pattern) {
		return nil, 0, errors.New("pattern is not UTF-8")
	}
	if (len(pattern)-len(strings.TrimRight(pattern, `\`)))%2 == 1 {
		return nil, 0, errors.New("bad escape at the end of the pattern")
	}
	p := &parser{pattern: pattern, names: map[string]int{}, groups: make([]groupWidths, 1)}
	n, err := p.alternation(true)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("at byte %d: %w", p.pos, err)
	case p.pos < len(p.pattern):
		return nil, 0, fmt.Errorf("at byte %d: unbalanced parenthesis", p.pos)
	case p.maxGroup >= len(p.groups):
		return nil, 0, fmt.Errorf("invalid group reference %d", p.maxGroup)
	}
	return n, len(p.groups), nil
}

// accept skips text if it is next.
func (p *parser) accept(text string) bool {
	if !strings.HasPrefix(p.pattern[p.pos:], text) {
		return false
	}
	p.pos += len(text)
	return true
}

// next takes the next character; false at the end.
func (p *parser) next() (rune, bool) {
	if p.pos >= len(p.pattern) {
		return 0, false
	}
	r, size := utf8.DecodeRuneInString(p.pattern[p.pos:])
	p.pos += size
	return r, true
}

// until takes what stands before the terminator, and skips that.
func (p *parser) until(terminator, what string) (string, error) {
	text, _, ok := strings.Cut(p.pattern[p.pos:], terminator)
	if !ok || text == "" {
		return "", fmt.Errorf("missing %s", what)
	}
	p.pos += len(text) + len(terminator)
	return text, nil
}

// alternation reads a|b|c up to a closing parenthesis or the end. Global flags may stand at the very start of the outer
// one only, and change what follows.
func (p *parser) alternation(outer bool) (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, errors.New("nested too deep")
	}
	var branches []*node
	for {
		branch, err := p.sequence(outer && len(branches) == 0)
		if err != nil {
			return nil, err
		}
		branches = append(branches, branch)
		if !p.accept("|") {
			break
		}
	}
	if len(branches) == 1 {
		return branches[0], nil
	}
	return &node{op: opAlternate, subs: branches}, nil
}

// sequence reads items up to "|", ")" or the end.
func (p *parser) sequence(first bool) (*node, error) {
	seq := &node{op: opConcat}
	for p.pos < len(p.pattern) {
		c := p.pattern[p.pos]
		if c == '|' || c == ')' {
			break
		}
		if p.flags.verbose && p.skipVerbose(c) {
			continue
		}
		if strings.IndexByte("*+?{", c) >= 0 {
			repeated, err := p.repetition(seq.subs)
			if err != nil {
				return nil, err
			}
			if repeated {
				continue
			}
		}
		item, err := p.item(first && len(seq.subs) == 0)
		if err != nil {
			return nil, err
		}
		if item != nil {
			seq.subs = append(seq.subs, item)
		}
	}
	return seq, nil
}

// skipVerbose skips a blank or a comment under the x flag.
func (p *parser) skipVerbose(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '\v', '\f':
		p.pos++
		return true
	case '#':
		for p.pos < len(p.pattern) && p.pattern[p.pos] != '\n' {
			p.skipOne()
		}
		p.skipOne()
		return true
	}
	return false
}

// skipOne skips a character, or a backslash with the one it escapes: in comments too an escaped terminator is none.
func (p *parser) skipOne() {
	p.accept(`\`)
	_, _ = p.next()
}

// item reads one item without its repetition. A comment or a setting of flags is a nil item.
func (p *parser) item(first bool) (*node, error) {
	r, _ := p.next()
	switch r {
	case '\\':
		return p.escape()
	case '[':
		return p.class()
	case '(':
		return p.group(first)
	case '.':
		if p.flags.dotAll {
			return &node{op: opAny}, nil
		}
		return &node{op: opAnyNotLF}, nil
	case '^':
		if p.flags.multiLine {
			return &node{op: opBeginLine}, nil
		}
		return &node{op: opBegin}, nil
	case '$':
		if p.flags.multiLine {
			return &node{op: opEndLine}, nil
		}
		return &node{op: opEnd}, nil
	}
	return p.literal(r), nil
}

// literal is a character, or a class when it has other cases that count.
func (p *parser) literal(r rune) *node {
	f := p.flags.fold()
	if f == foldNone || len(otherCases(r, f)) == 0 {
		return &node{op: opChar, char: r}
	}
	set := &class{ranges: []runeRange{{r, r}}}
	set.finish(f)
	return &node{op: opSet, set: set}
}

// repetition reads a quantifier and wraps the last item in it; false for a brace that is none.
func (p *parser) repetition(items []*node) (bool, error) {
	least, most, ok, err := p.quantifier()
	if err != nil || !ok {
		return false, err
	}
	if len(items) == 0 {
		return false, errors.New("nothing to repeat")
	}
	last := &items[len(items)-1]
	switch (*last).op {
	case opBegin, opBeginLine, opEnd, opEndLine, opEndText, opBoundary, opNotBoundary:
		return false, errors.New("nothing to repeat")
	case opRepeat:
		return false, errors.New("multiple repeat")
	}
	n := &node{op: opRepeat, min: least, max: most, subs: []*node{*last}}
	if p.accept("?") {
		n.mode = lazy
	} else if p.accept("+") {
		n.mode = possessive
	}
	*last = n
	return true, nil
}

// quantifier reads "*", "+", "?", "{m}", "{m,}", "{,n}" or "{m,n}". A brace that begins none of these is left alone.
func (p *parser) quantifier() (least, most int, ok bool, err error) {
	switch p.pattern[p.pos] {
	case '*':
		p.pos++
		return 0, -1, true, nil
	case '+':
		p.pos++
		return 1, -1, true, nil
	case '?':
		p.pos++
		return 0, 1, true, nil
	}
	start := p.pos
	p.pos++
	if strings.HasPrefix(p.pattern[p.pos:], "}") {
		p.pos = start
		return 0, 0, false, nil
	}
	lo := p.digits()
	hi := lo
	if p.accept(",") {
		hi = p.digits()
	}
	if !p.accept("}") {
		p.pos = start
		return 0, 0, false, nil
	}
	least, errLeast := repeatCount(lo, 0)
	most, errMost := repeatCount(hi, -1)
	switch {
	case errors.Join(errLeast, errMost) != nil:
		return 0, 0, false, errors.Join(errLeast, errMost)
	case most >= 0 && most < least:
		return 0, 0, false, errors.New("min repeat greater than max repeat")
	}
	return least, most, true, nil
}

func (p *parser) digits() string {
	start := p.pos
	for p.pos < len(p.pattern) && '0' <= p.pattern[p.pos] && p.pattern[p.pos] <= '9' {
		p.pos++
	}
	return p.pattern[start:p.pos]
}

func repeatCount(digits string, absent int) (int, error) {
	if digits == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n >= maxRepeat {
		return 0, errors.New("the repetition number is too large")
	}
	return int(n), nil
}
