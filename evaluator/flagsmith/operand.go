package flagsmith

import (
	"encoding/json"
	"strconv"
	"strings"
)

// operand is the value of a property after coercion (spec section 3.3): the left side of every condition. Its kind says
// which field holds; KindNull is "not set", KindOpaque is set and matches nothing.
type operand struct {
	kind    Kind    // a big integer has KindInt here
	boolean bool    // KindBool
	float   float64 // KindFloat
	integer integer // KindInt
	text    string  // KindString
}

// coerce turns text that looks like a number into one, as the reference engine does before any operator runs.
func coerce(v Value) operand {
	switch v.kind {
	case KindString:
		return coerceText(v.text)
	case KindInt:
		return operand{kind: KindInt, integer: integer{small: v.Int()}}
	case KindBigInt:
		i, ok := parseDigits(v.text)
		if !ok {
			return operand{kind: KindOpaque}
		}
		return operand{kind: KindInt, integer: i}
	case KindFloat:
		return operand{kind: KindFloat, float: v.Float()}
	case KindBool:
		return operand{kind: KindBool, boolean: v.Bool()}
	case KindOpaque:
		return operand{kind: KindOpaque}
	}
	return operand{}
}

func coerceText(s string) operand {
	if !looksNumeric(s) {
		return operand{kind: KindString, text: s}
	}
	if strings.IndexByte(s, '.') >= 0 {
		f, _ := strconv.ParseFloat(s, 64) // out of range is an infinity here too
		return operand{kind: KindFloat, float: f}
	}
	i, ok := parseDigits(s)
	if !ok { // too many digits
		return operand{kind: KindOpaque}
	}
	return operand{kind: KindInt, integer: i}
}

// looksNumeric holds for -?[0-9]+ and -?[0-9]+\.[0-9]+ and nothing else.
func looksNumeric(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := countDigits(s)
	if whole == 0 || whole == len(s) {
		return whole > 0
	}
	return s[whole] == '.' && whole+1 < len(s) && allDigits(s[whole+1:])
}

// appendText appends the text that hashes and regular expressions see.
func (v *operand) appendText(dst []byte) []byte {
	switch v.kind {
	case KindString:
		return append(dst, v.text...)
	case KindInt:
		return v.integer.appendText(dst)
	case KindFloat:
		return appendFloat(dst, v.float)
	case KindBool:
		if v.boolean {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	}
	return dst
}

// numberValue reads a JSON number: an integer unless it is written with a point or an exponent.
func numberValue(n json.Number) Value {
	s := string(n)
	if strings.ContainsAny(s, ".eE") {
		f, _ := strconv.ParseFloat(s, 64)
		return FloatValue(f)
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntValue(i)
	}
	return BigIntValue(s)
}
