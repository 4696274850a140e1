package pyregexp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// escape reads an escape outside a class; its backslash has been taken.
func (p *parser) escape() (*node, error) {
	if p.pos >= len(p.pattern) {
		return nil, errors.New("bad escape at the end of the pattern")
	}
	c := p.pattern[p.pos]
	switch c {
	case 'A':
		p.pos++
		return &node{op: opBegin}, nil
	case 'Z':
		p.pos++
		return &node{op: opEndText}, nil
	case 'b':
		p.pos++
		return &node{op: opBoundary, ascii: p.flags.ascii}, nil
	case 'B':
		p.pos++
		return &node{op: opNotBoundary, ascii: p.flags.ascii}, nil
	}
	if k, ok := p.category(); ok {
		return &node{op: opSet, set: &class{categories: []category{k}}}, nil
	}
	if '1' <= c && c <= '9' {
		return p.numbered()
	}
	r, err := p.escapedChar()
	if err != nil {
		return nil, err
	}
	return p.literal(r), nil
}

// category reads d, s, w or a capital of these.
func (p *parser) category() (category, bool) {
	c := p.pattern[p.pos]
	k := category{letter: c | 0x20, negated: c < 'a', ascii: p.flags.ascii}
	if strings.IndexByte("dswDSW", c) < 0 {
		return category{}, false
	}
	p.pos++
	return k, true
}

// numbered reads what begins with a digit other than zero: three octal digits are a character, all else is a reference.
func (p *parser) numbered() (*node, error) {
	rest := p.pattern[p.pos:]
	if len(rest) >= 3 && isOctal(rest[0]) && isOctal(rest[1]) && isOctal(rest[2]) {
		p.pos += 3
		r, err := octal(rest[:3])
		if err != nil {
			return nil, err
		}
		return p.literal(r), nil
	}
	n := 1
	if len(rest) >= 2 && '0' <= rest[1] && rest[1] <= '9' {
		n = 2
	}
	p.pos += n
	group, _ := strconv.Atoi(rest[:n])
	if group >= len(p.groups) {
		return nil, fmt.Errorf("invalid group reference %d", group)
	}
	return p.backref(group)
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

func octal(digits string) (rune, error) {
	n, err := strconv.ParseUint(digits, 8, 8)
	if err != nil {
		return 0, errors.New("octal escape value outside of range 0-0o377")
	}
	return rune(n), nil
}

// escapedChar reads an escape that stands for one character, in a class or outside.
func (p *parser) escapedChar() (rune, error) {
	r, ok := p.next()
	if !ok {
		return 0, errors.New("bad escape at the end of the pattern")
	}
	switch r {
	case 'a':
		return '\a', nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'v':
		return '\v', nil
	case 'x':
		return p.hex(2)
	case 'u':
		return p.hex(4)
	case 'U':
		return p.hex(8)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		start := p.pos - 1
		for p.pos < len(p.pattern) && p.pos < start+3 && isOctal(p.pattern[p.pos]) {
			p.pos++
		}
		return octal(p.pattern[start:p.pos])
	}
	if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
		return 0, fmt.Errorf("bad escape \\%c", r) // \N too: names of characters are not known here
	}
	return r, nil
}

// hex reads exactly n hexadecimal digits.
func (p *parser) hex(n int) (rune, error) {
	if p.pos+n > len(p.pattern) {
		return 0, errors.New("incomplete escape")
	}
	v, err := strconv.ParseUint(p.pattern[p.pos:p.pos+n], 16, 32)
	if err != nil || v > unicode.MaxRune {
		return 0, errors.New("incomplete escape or no such character")
	}
	p.pos += n
	return rune(v), nil
}

// class reads [...], of which the bracket has been taken.
func (p *parser) class() (*node, error) {
	set := &class{negated: p.accept("^")}
	for empty := true; ; empty = false {
		if !empty && p.accept("]") {
			break
		}
		lo, k, isCategory, err := p.classItem()
		if err != nil {
			return nil, err
		}
		rest := p.pattern[p.pos:]
		if strings.HasPrefix(rest, "-") && !strings.HasPrefix(rest, "-]") {
			p.pos++
			hi, _, bad, err := p.classItem()
			if err != nil {
				return nil, err
			}
			if isCategory || bad || hi < lo {
				return nil, errors.New("bad character range")
			}
			set.ranges = append(set.ranges, runeRange{lo, hi})
			continue
		}
		if isCategory {
			if !slices.Contains(set.categories, k) {
				set.categories = append(set.categories, k)
			}
			continue
		}
		set.ranges = append(set.ranges, runeRange{lo, lo})
	}
	set.finish(p.flags.fold())
	return &node{op: opSet, set: set}, nil
}

// classItem reads a character or a category in a class.
func (p *parser) classItem() (r rune, k category, isCategory bool, err error) {
	r, ok := p.next()
	if !ok {
		return 0, category{}, false, errors.New("unterminated character set")
	}
	if r != '\\' {
		return r, category{}, false, nil
	}
	if p.pos < len(p.pattern) {
		if k, ok := p.category(); ok {
			return 0, k, true, nil
		}
	}
	r, err = p.escapedChar()
	return r, category{}, false, err
}
