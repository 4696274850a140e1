package flagsmith

import (
	"strings"

	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/spec"
)

// Bounds of JSONPath. A path comes from whoever may edit segments and is walked on every request that asks for it, and
// each "..", "*" or filter in it multiplies the work, so none may grow without end. What is beyond a bound never
// resolves, as if the property were not set.
const (
	maxPathLength = 512    // bytes of a path
	maxPaths      = 64     // paths in a document that are no plain lookups
	maxPathSteps  = 20_000 // nodes that a path may visit in one evaluation
)

// jsonPath is a path that has to be walked. The parser and the filters are a library's; the walk is ours, because the
// first node in document order is what counts, and a Go map has no order.
type jsonPath struct {
	segments []*spec.Segment
	filters  bool
}

// parsePath returns nil for text that is no path, and for a path beyond the bounds.
func parsePath(text string) *jsonPath {
	if len(text) > maxPathLength {
		return nil
	}
	text, ok := bracketDashes(text)
	if !ok {
		return nil
	}
	parsed, err := jsonpath.Parse(text)
	if err != nil {
		return nil
	}
	p := &jsonPath{segments: parsed.Query().Segments()}
	for _, segment := range p.segments {
		for _, selector := range segment.Selectors() {
			filter, ok := selector.(*spec.FilterSelector)
			if !ok {
				continue
			}
			p.filters = true
			// These two compile a regular expression for each node they look at, and the library panics when a node is missing.
			if text := filter.String(); strings.Contains(text, "match(") || strings.Contains(text, "search(") {
				return nil
			}
		}
	}
	return p
}

// bracketDashes rewrites names with a dash, .a-b, as ['a-b']: the reference takes them, RFC 9535 does not. It is false for
// characters above U+FFFF outside quotes, which it is the other way round with.
func bracketDashes(path string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(path); {
		switch c := path[i]; {
		case c == '\'' || c == '"':
			end := i + quotedLength(path[i:])
			out.WriteString(path[i:end])
			i = end
		case c >= 0xf0: // begins a character above U+FFFF
			return "", false
		case c == '.' && nameLength(path[i+1:]) > 0:
			end := i + 1 + nameLength(path[i+1:])
			name := path[i+1 : end]
			switch {
			case !strings.Contains(name, "-"):
				out.WriteString("." + name)
			case strings.HasSuffix(out.String(), "."):
				out.WriteString(".['" + name + "']")
			default:
				out.WriteString("['" + name + "']")
			}
			i = end
		default:
			out.WriteByte(c)
			i++
		}
	}
	return out.String(), true
}

// quotedLength returns the length of the quoted text that s begins with, to the end if it is not closed.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

// nameLength returns the length of the name that s begins with, dashes included.
func nameLength(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || 0x80 <= c && c < 0xf0
		if !letter && (i == 0 || !isDigit(c) && c != '-') {
			return i
		}
	}
	return len(s)
}

// names returns the names of a path that has nothing but names, else nil.
func (p *jsonPath) names() []string {
	var names []string
	for _, segment := range p.segments {
		selectors := segment.Selectors()
		if segment.IsDescendant() || len(selectors) != 1 {
			return nil
		}
		name, ok := selectors[0].(spec.Name)
		if !ok {
			return nil
		}
		names = append(names, string(name))
	}
	return names
}

// first returns the first node that the path leads to from root, nil if there is none or the bounds are reached.
func (p *jsonPath) first(root *node) *node {
	w := walk{root: root, steps: maxPathSteps}
	if p.filters {
		w.size = max(root.size(), 2)
	}
	found := w.first(root, p.segments)
	if w.steps < 0 {
		return nil
	}
	return found
}

// walk is one evaluation of a path: depth first, so that it can end at the first node.
type walk struct {
	root  *node
	size  int // nodes in the tree, for paths with filters
	steps int // left; negative: the walk is off
}

func (w *walk) first(n *node, segments []*spec.Segment) *node {
	w.steps--
	if w.steps < 0 || len(segments) == 0 {
		return n
	}
	for _, selector := range segments[0].Selectors() {
		if found := w.selected(n, selector, segments[1:]); found != nil {
			return found
		}
	}
	if !segments[0].IsDescendant() {
		return nil
	}
	for _, kid := range n.kids {
		if found := w.first(kid, segments); found != nil {
			return found
		}
	}
	return nil
}

// selected goes on with the rest of the path from each kid of n that the selector selects.
func (w *walk) selected(n *node, selector spec.Selector, rest []*spec.Segment) *node {
	switch selector := selector.(type) {
	case spec.Name:
		if kid := n.get(string(selector)); kid != nil {
			return w.first(kid, rest)
		}
	case spec.Index:
		i := int(selector)
		if i < 0 {
			i += len(n.kids)
		}
		if n.kind == listNode && i >= 0 && i < len(n.kids) {
			return w.first(n.kids[i], rest)
		}
	case spec.SliceSelector:
		return w.sliced(n, selector, rest)
	case spec.WildcardSelector:
		for _, kid := range n.kids {
			if found := w.first(kid, rest); found != nil {
				return found
			}
		}
	case *spec.FilterSelector:
		return w.filtered(n, selector, rest)
	}
	return nil
}

func (w *walk) sliced(n *node, slice spec.SliceSelector, rest []*spec.Segment) *node {
	if n.kind != listNode {
		return nil
	}
	lower, upper := slice.Bounds(len(n.kids))
	step := slice.Step()
	from, to := lower, upper
	if step < 0 {
		from, to = upper, lower
	}
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if found := w.first(n.kids[i], rest); found != nil {
			return found
		}
	}
	return nil
}

// filtered evaluates a filter on each kid. The library cannot be stopped on the way, so the most that an evaluation can
// cost is paid in advance: its text, times the size of the tree for each construct that multiplies.
func (w *walk) filtered(n *node, filter *spec.FilterSelector, rest []*spec.Segment) *node {
	text := filter.String()
	cost := len(text)
	for i := multipliers(text); i > 0 && cost <= maxPathSteps; i-- {
		cost *= w.size
	}
	for _, kid := range n.kids {
		w.steps -= cost
		if w.steps < 0 {
			return kid // any node: the walk is off
		}
		if filter.Eval(kid.value, w.root.value) {
			if found := w.first(kid, rest); found != nil {
				return found
			}
		}
	}
	return nil
}

// multipliers counts what can cost a whole tree in the text of a filter: what selects more than one node, and equality
// with something that may be one. The text begins with a "?" of its own.
func multipliers(filter string) int {
	n := -1
	for i := 0; i < len(filter); i++ {
		switch filter[i] {
		case '"':
			i += quotedLength(filter[i:]) - 1
		case '*', ',', ':', '?':
			n++
		case '.':
			if strings.HasPrefix(filter[i:], "..") {
				n++
			}
		case '=':
			if i > 0 && (filter[i-1] == '=' || filter[i-1] == '!') && !isLiteral(filter[i+1:]) {
				n++
			}
		}
	}
	return n
}

// isLiteral tells whether the right side of a comparison is a scalar as it stands.
func isLiteral(s string) bool {
	s = strings.TrimLeft(s, " ")
	return s != "" && (s[0] == '"' || s[0] == '-' || isDigit(s[0])) ||
		strings.HasPrefix(s, "true") || strings.HasPrefix(s, "false") || strings.HasPrefix(s, "null")
}
