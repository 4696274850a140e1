package flagsmith

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"

	"github.com/flagstaff-io/flagstaff/evaluator/pyregexp"
)

// operator is a condition's comparison. The zero operator is an unknown one, which never holds.
type operator uint8

const (
	opUnknown operator = iota
	opEqual
	opNotEqual
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opContains
	opNotContains
	opRegex
	opPercentageSplit
	opKeySplit // PERCENTAGE_SPLIT without a property: of the identity's key as it is, without coercion
	opModulo
	opIsSet
	opIsNotSet
	opIn
)

// operators are the names as they are written in documents, case-sensitive.
var operators = map[string]operator{
	"EQUAL":                  opEqual,
	"NOT_EQUAL":              opNotEqual,
	"GREATER_THAN":           opGreater,
	"GREATER_THAN_INCLUSIVE": opGreaterEqual,
	"LESS_THAN":              opLess,
	"LESS_THAN_INCLUSIVE":    opLessEqual,
	"CONTAINS":               opContains,
	"NOT_CONTAINS":           opNotContains,
	"REGEX":                  opRegex,
	"PERCENTAGE_SPLIT":       opPercentageSplit,
	"MODULO":                 opModulo,
	"IS_SET":                 opIsSet,
	"IS_NOT_SET":             opIsNotSet,
	"IN":                     opIn,
}

// holds tells whether the operator accepts the outcome c of a three-way comparison.
func (op operator) holds(c int) bool {
	switch op {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opGreater:
		return c > 0
	case opGreaterEqual:
		return c >= 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	}
	return false
}

// condition is a Condition with everything that can be known about its value worked out: spec sections 3.4 to 3.7.
// Fields that the operator does not need are zero.
type condition struct {
	operator operator
	property int    // index into Ruleset.properties
	text     string // the value as it stands

	// Comparisons: one target for each type that the property may turn out to have.
	integer   integer
	isInteger bool
	float     float64
	isFloat   bool
	boolean   bool
	semver    bool // the value ends in ":semver"
	version   version
	isVersion bool

	pattern            *pyregexp.Regexp // REGEX; nil for a bad pattern
	divisor, remainder float64          // MODULO; the divisor is NaN when the value is no pair of numbers
	buckets            int              // PERCENTAGE_SPLIT: holds for buckets [0, buckets)
	set                inSet            // IN
}

// conditionValue is the right side of a condition: text, a list for IN, or nothing.
type conditionValue struct {
	text   string
	list   []string
	isList bool
	isNull bool // in an evaluation context: compares as the text "None", fits no set and no percentage
}

// documentConditionValue reads a value in a document, where null, nothing and what is broken are the empty text.
func documentConditionValue(raw json.RawMessage) conditionValue {
	tree, err := parseTree(raw)
	if err != nil || tree.isNull() {
		return conditionValue{}
	}
	return treeConditionValue(tree)
}

// treeConditionValue reads a condition's value. What is neither text nor a list counts as Python's text of it.
func treeConditionValue(n *node) conditionValue {
	if list, ok := pythonTexts(n); ok {
		return conditionValue{list: list, isList: true}
	}
	return conditionValue{text: pythonText(n), isNull: n.value == nil}
}

// newCondition prepares a condition on the property of that name.
func (b *builder) newCondition(operator, property string, value conditionValue) condition {
	c := condition{operator: operators[operator], property: b.property(property), text: value.text}
	if c.operator == opPercentageSplit && property == "" {
		c.operator = opKeySplit
	}
	if value.isList && c.operator != opIn && c.operator != opIsSet && c.operator != opIsNotSet {
		c.operator = opUnknown
		return c
	}
	switch c.operator {
	case opEqual, opNotEqual, opGreater, opGreaterEqual, opLess, opLessEqual:
		c.integer, c.isInteger = parseInt(c.text)
		c.float, c.isFloat = parseFloat(c.text)
		c.boolean = c.text != "False" && c.text != "false"
		c.prepareVersion()
	case opContains:
		c.prepareVersion()
	case opRegex:
		c.pattern, _ = pyregexp.Compile(c.text) // a bad pattern matches nothing
	case opModulo:
		c.divisor, c.remainder = parseModulo(c.text)
	case opPercentageSplit, opKeySplit:
		if percent, ok := parseFloat(c.text); ok {
			c.buckets = bucketsUpTo(percent)
		}
	case opIn:
		c.set = newInSet(value)
	}
	return c
}

func (c *condition) prepareVersion() {
	bare, ok := strings.CutSuffix(c.text, semverSuffix)
	if ok {
		c.semver = true
		c.version, c.isVersion = parseVersion(bare)
	}
}

// parseModulo reads "divisor|remainder". Without two numbers the divisor is NaN, which divides nothing; so does zero.
func parseModulo(s string) (divisor, remainder float64) {
	left, right, _ := strings.Cut(s, "|")
	divisor, okLeft := parseFloat(left)
	remainder, okRight := parseFloat(right)
	if !okLeft || !okRight || divisor == 0 {
		return math.NaN(), 0
	}
	return divisor, remainder
}

// holds tells whether the condition is true of the identity at hand: the order is that of spec section 3.4.
func (c *condition) holds(segmentKey string, s *Scratch) bool {
	if c.operator == opKeySplit {
		return s.id != nil && s.keyBucket(segmentKey) < c.buckets
	}
	v := s.operand(c.property)
	switch {
	case c.operator == opIsNotSet:
		return v.kind == KindNull
	case c.operator == opIsSet:
		return v.kind != KindNull
	case v.kind == KindNull || v.kind == KindOpaque:
		return false
	}
	switch c.operator {
	case opIn:
		return c.set.contains(v)
	case opPercentageSplit:
		return s.operandBucket(segmentKey, v) < c.buckets
	case opContains:
		return v.kind == KindString && c.containedIn(v.text)
	case opNotContains:
		return v.kind == KindString && !strings.Contains(v.text, c.text)
	case opRegex:
		return c.matches(v, s)
	case opModulo:
		return c.divides(v)
	}
	return c.compares(v)
}

// compares is EQUAL and the other five comparisons.
func (c *condition) compares(v *operand) bool {
	switch v.kind {
	case KindString:
		if !c.semver {
			return c.operator.holds(strings.Compare(v.text, c.text))
		}
		version, ok := parseVersion(v.text)
		return ok && c.isVersion && c.operator.holds(version.compare(c.version))
	case KindInt:
		return c.isInteger && c.operator.holds(v.integer.compare(c.integer))
	case KindFloat:
		if v.float != v.float || c.float != c.float {
			return c.isFloat && c.operator == opNotEqual
		}
		return c.isFloat && c.operator.holds(cmp.Compare(v.float, c.float))
	case KindBool:
		return c.operator.holds(compareBool(v.boolean, c.boolean))
	}
	return false
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// containedIn is CONTAINS. In semver mode the reference looks for the value among the parts of the version, so only a
// whole pre-release or a whole build can be found.
func (c *condition) containedIn(text string) bool {
	if !c.semver {
		return strings.Contains(text, c.text)
	}
	part := strings.TrimSuffix(c.text, semverSuffix)
	version, ok := parseVersion(text)
	return ok && part != "" && (part == version.prerelease || part == version.build)
}

// matches is REGEX.
func (c *condition) matches(v *operand, s *Scratch) bool {
	if c.pattern == nil {
		return false
	}
	if v.kind == KindString {
		return c.pattern.MatchString(v.text)
	}
	s.buf = v.appendText(s.buf[:0])
	return c.pattern.Match(s.buf)
}

// divides is MODULO. The result takes the sign of the divisor, as in Python.
func (c *condition) divides(v *operand) bool {
	var x float64
	switch v.kind {
	case KindInt:
		var ok bool
		if x, ok = v.integer.float(); !ok {
			return false
		}
	case KindFloat:
		x = v.float
	case KindBool:
		if v.boolean {
			x = 1
		}
	default:
		return false
	}
	m := math.Mod(x, c.divisor)
	if m != 0 && (m < 0) != (c.divisor < 0) {
		m += c.divisor
	}
	return m == c.remainder
}
