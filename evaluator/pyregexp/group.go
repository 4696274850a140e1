package pyregexp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// group reads what begins with a parenthesis, which has been taken.
func (p *parser) group(first bool) (*node, error) {
	if !p.accept("?") {
		return p.capture("")
	}
	switch {
	case p.accept("P<"):
		name, err := p.groupName(">")
		if err != nil {
			return nil, err
		}
		return p.capture(name)
	case p.accept("P="):
		return p.namedBackref()
	case p.accept(":"):
		return p.nested()
	case p.accept("#"):
		return nil, p.comment()
	case p.accept("="):
		return p.look(false, false)
	case p.accept("!"):
		return p.look(true, false)
	case p.accept("<="):
		return p.look(false, true)
	case p.accept("<!"):
		return p.look(true, true)
	case p.accept("("):
		return p.conditional()
	case p.accept(">"):
		n, err := p.nested()
		if err != nil {
			return nil, err
		}
		return &node{op: opAtomic, subs: []*node{n}}, nil
	}
	return p.flagGroup(first)
}

// nested reads the rest of a group. Flags set inside end with it.
func (p *parser) nested() (*node, error) {
	saved := p.flags
	n, err := p.alternation(false)
	p.flags = saved
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, errors.New("missing ), unterminated subpattern")
	}
	// Wrapped, so that "(?:a*)*" and "(?:^)*" are not taken for a repetition of a repetition or of nothing.
	return &node{op: opConcat, subs: []*node{n}}, nil
}

func (p *parser) capture(name string) (*node, error) {
	group := len(p.groups)
	p.groups = append(p.groups, groupWidths{})
	if name != "" {
		if _, ok := p.names[name]; ok {
			return nil, fmt.Errorf("redefinition of group name %q", name)
		}
		p.names[name] = group
	}
	n, err := p.nested()
	if err != nil {
		return nil, err
	}
	least, greatest := n.widths(p.groups)
	p.groups[group] = groupWidths{closed: true, least: least, greatest: greatest}
	return &node{op: opCapture, group: group, subs: []*node{n}}, nil
}

func (p *parser) comment() error {
	for !p.accept(")") {
		if p.pos >= len(p.pattern) {
			return errors.New("missing ), unterminated comment")
		}
		p.skipOne()
	}
	return nil
}

func (p *parser) look(negate, behind bool) (*node, error) {
	saved := p.lookBehind
	if behind && saved == 0 {
		p.lookBehind = len(p.groups)
	}
	sub, err := p.nested()
	p.lookBehind = saved
	if err != nil {
		return nil, err
	}
	n := &node{op: opLook, negate: negate, behind: behind, subs: []*node{sub}}
	if !behind {
		return n, nil
	}
	least, greatest := sub.widths(p.groups)
	if least != greatest || least > maxRepeat {
		return nil, errors.New("look-behind requires fixed-width pattern")
	}
	n.width = least
	return n, nil
}

func (p *parser) groupName(terminator string) (string, error) {
	name, err := p.until(terminator, "group name")
	if err != nil {
		return "", err
	}
	if !isIdentifier(name) {
		return "", fmt.Errorf("bad character in group name %q", name)
	}
	return name, nil
}

func isIdentifier(name string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && r != '_' && (i == 0 || !unicode.In(r, unicode.Nd, unicode.Mn, unicode.Mc, unicode.Pc)) {
			return false
		}
	}
	return name != ""
}

func (p *parser) namedBackref() (*node, error) {
	name, err := p.groupName(")")
	if err != nil {
		return nil, err
	}
	group, ok := p.names[name]
	if !ok {
		return nil, fmt.Errorf("unknown group name %q", name)
	}
	return p.backref(group)
}

func (p *parser) backref(group int) (*node, error) {
	if !p.groups[group].closed {
		return nil, errors.New("cannot refer to an open group")
	}
	if err := p.checkLookBehind(group); err != nil {
		return nil, err
	}
	return &node{op: opBackref, group: group, fold: p.flags.fold()}, nil
}

// checkLookBehind refuses references from a look-behind to groups that are open, or that are in it.
func (p *parser) checkLookBehind(group int) error {
	switch {
	case p.lookBehind == 0:
		return nil
	case group >= len(p.groups) || !p.groups[group].closed:
		return errors.New("cannot refer to an open group")
	case group >= p.lookBehind:
		return errors.New("cannot refer to group defined in the same lookbehind subpattern")
	}
	return nil
}

// conditional reads (?(group)yes|no), of which "(?(" has been taken.
func (p *parser) conditional() (*node, error) {
	name, err := p.until(")", "group name")
	if err != nil {
		return nil, err
	}
	group, ok := p.names[name]
	if !ok {
		if isIdentifier(name) {
			return nil, fmt.Errorf("unknown group name %q", name)
		}
		if strings.Trim(name, "0123456789") != "" {
			return nil, fmt.Errorf("bad character in group name %q", name)
		}
		if group, err = strconv.Atoi(name); err != nil || group == 0 {
			return nil, errors.New("bad group number")
		}
		p.maxGroup = max(p.maxGroup, group)
	}
	if err := p.checkLookBehind(group); err != nil {
		return nil, err
	}
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, errors.New("nested too deep")
	}
	n := &node{op: opConditional, group: group, subs: []*node{nil, {op: opEmpty}}}
	if n.subs[0], err = p.sequence(false); err != nil {
		return nil, err
	}
	if p.accept("|") {
		if n.subs[1], err = p.sequence(false); err != nil {
			return nil, err
		}
	}
	if !p.accept(")") {
		return nil, errors.New("conditional without its closing parenthesis")
	}
	return n, nil
}

// flagGroup reads (?flags) and (?flags-flags:...), of which "(?" has been taken.
func (p *parser) flagGroup(first bool) (*node, error) {
	set, on, err := p.flagLetters(p.flags, true)
	if err != nil {
		return nil, err
	}
	if on.count > 0 && p.accept(")") {
		if !first {
			return nil, errors.New("global flags not at the start of the expression")
		}
		p.ascii = p.ascii || strings.Contains(on.letters, "a")
		p.unicode = p.unicode || on.unicode
		if p.ascii && p.unicode {
			return nil, errors.New("ASCII and UNICODE flags are incompatible")
		}
		p.flags = set
		return nil, nil
	}
	if p.accept("-") {
		var off flagLetters
		if set, off, err = p.flagLetters(set, false); err != nil {
			return nil, err
		}
		if off.count == 0 || strings.ContainsAny(off.letters, on.letters) {
			return nil, errors.New("bad inline flags")
		}
	} else if on.count == 0 {
		return nil, errors.New("unknown extension after (?")
	}
	if !p.accept(":") {
		return nil, errors.New("missing : after inline flags")
	}
	saved := p.flags
	p.flags = set
	n, err := p.nested()
	p.flags = saved
	return n, err
}

// flagLetters are the letters of a run of inline flags.
type flagLetters struct {
	letters string
	count   int
	unicode bool
}

// flagLetters turns flags on or off in f. Of a and u, a run may have one, and neither can be turned off.
func (p *parser) flagLetters(f flags, on bool) (flags, flagLetters, error) {
	var seen flagLetters
	start := p.pos
	for ; p.pos < len(p.pattern); p.pos++ {
		switch p.pattern[p.pos] {
		case 'i':
			f.ignoreCase = on
		case 'm':
			f.multiLine = on
		case 's':
			f.dotAll = on
		case 'x':
			f.verbose = on
		case 'a':
			f.ascii = true
		case 'u':
			f.ascii = false
			seen.unicode = true
		case 'L':
			return f, seen, errors.New("bad inline flags: cannot use 'L' flag with a str pattern")
		default:
			seen.letters = p.pattern[start:p.pos]
			seen.count = len(seen.letters)
			mixed := strings.Contains(seen.letters, "a") && seen.unicode
			if mixed || !on && strings.ContainsAny(seen.letters, "au") {
				return f, seen, errors.New("bad inline flags: a and u")
			}
			return f, seen, nil
		}
	}
	return f, seen, errors.New("unterminated inline flags")
}
