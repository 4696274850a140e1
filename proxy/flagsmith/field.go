package flagsmith

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// The fields of Django REST framework, as far as the SDK endpoints use them. Each takes the value of one key (nil when the
// key is absent) and returns what it means, or the problem.

// Limits of upstream's columns, in characters.
const (
	maxIdentifierChars = 2000
	maxTraitKeyChars   = 200
	maxTraitTextChars  = 2000
)

// member returns the last value of key in an object: of repeated keys Python keeps the last.
func member(o *fastjson.Object, key string) (found *fastjson.Value) {
	if o == nil {
		return nil
	}
	o.Visit(func(k []byte, v *fastjson.Value) {
		if string(k) == key {
			found = v
		}
	})
	return found
}

// pythonType names the type that Python's json gives a value.
func pythonType(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeObject:
		return "dict"
	case fastjson.TypeArray:
		return "list"
	case fastjson.TypeString:
		return "str"
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return "bool"
	case fastjson.TypeNumber:
		if isInteger(numberText(v)) {
			return "int"
		}
		return "float"
	}
	return "NoneType"
}

// numberText returns a number as it stands in the body.
func numberText(v *fastjson.Value) string { return string(v.MarshalTo(nil)) }

// isInteger tells whether Python reads a JSON number as int.
func isInteger(number string) bool { return !strings.ContainsAny(number, ".eE") }

// stripped removes what Python's str.strip removes.
func stripped(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f })
}

// text is a CharField: strings are trimmed, numbers become text, booleans do not. The result may alias the parser's memory.
func text(v *fastjson.Value) (string, problem) {
	switch v.Type() {
	case fastjson.TypeString:
		s := unsafeString(v.GetStringBytes())
		if strings.IndexByte(s, 0) >= 0 {
			return "", messages(msgNoNUL)
		}
		return stripped(s), nil
	case fastjson.TypeNumber:
		s := numberText(v)
		switch {
		case s == "-0":
			return "0", nil
		case isInteger(s):
			return s, nil
		}
		f, _ := strconv.ParseFloat(s, 64)
		return string(pyjson.AppendFloatText(nil, f)), nil
	}
	return "", messages(msgNotString)
}

// requiredText is a CharField that must be there and not be blank. limit is in characters.
func requiredText(v *fastjson.Value, limit int) (string, problem) {
	switch {
	case v == nil:
		return "", messages(msgRequired)
	case v.Type() == fastjson.TypeNull:
		return "", messages(msgNull)
	}
	s, p := text(v)
	switch {
	case p != nil:
		return "", p
	case s == "":
		return "", messages(msgBlank)
	case len(s) > limit && utf8.RuneCountInString(s) > limit:
		return "", messages(msgTooLong(limit))
	}
	return s, nil
}

// optionalText is a CharField that may be absent, null or blank: all three are "".
func optionalText(v *fastjson.Value, limit int) (string, problem) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return "", nil
	}
	s, p := text(v)
	if p == nil && len(s) > limit && utf8.RuneCountInString(s) > limit {
		return "", messages(msgTooLong(limit))
	}
	return s, p
}

// boolean is a BooleanField; absent is false.
func boolean(v *fastjson.Value) (bool, problem) {
	if v == nil {
		return false, nil
	}
	switch v.Type() {
	case fastjson.TypeTrue:
		return true, nil
	case fastjson.TypeFalse:
		return false, nil
	case fastjson.TypeNull:
		return false, messages(msgNull)
	case fastjson.TypeNumber:
		switch f, _ := v.Float64(); f {
		case 1:
			return true, nil
		case 0:
			return false, nil
		}
	case fastjson.TypeString:
		if b, ok := booleanText(unsafeString(v.GetStringBytes())); ok {
			return b, nil
		}
	}
	return false, messages(msgNotBoolean)
}

// booleanText reads the words that a BooleanField takes.
func booleanText(s string) (value, ok bool) {
	switch s {
	case "t", "T", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1":
		return true, true
	case "f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0":
		return false, true
	}
	return false, false
}

// integer is an IntegerField: an integer, a float without fraction, or text of one.
func integer(v *fastjson.Value) (int64, problem) {
	if v == nil {
		return 0, messages(msgRequired)
	}
	var s string
	switch v.Type() {
	case fastjson.TypeNull:
		return 0, messages(msgNull)
	case fastjson.TypeString:
		s = stripped(unsafeString(v.GetStringBytes()))
		if len(s) > 1000 {
			return 0, messages(msgIntTooLong)
		}
	case fastjson.TypeNumber:
		s, _ = text(v) // DRF reads the text of a number, so that 1e2 is 100.0 and good, and 1e16 is 1e+16 and not
	default:
		return 0, messages(msgNotInteger)
	}
	// DRF drops a fraction of zeros, "7.00" is 7.
	if whole, fraction, found := strings.Cut(s, "."); found && strings.Trim(fraction, "0") == "" {
		s = whole
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, messages(msgNotInteger)
	}
	return i, nil
}

// traitValue reads the value of a trait. Arrays and objects become their Python text, as upstream stores them. The result may
// alias the parser's memory; scratch is free again.
func traitValue(v *fastjson.Value, scratch *[]byte) (engine.Value, problem) {
	if v == nil {
		return engine.Value{}, messages(msgRequired)
	}
	var s string
	switch v.Type() {
	case fastjson.TypeNull:
		return engine.Value{}, nil
	case fastjson.TypeTrue:
		return engine.BoolValue(true), nil
	case fastjson.TypeFalse:
		return engine.BoolValue(false), nil
	case fastjson.TypeNumber:
		n := numberValue(v, scratch)
		if n.Kind() == engine.KindFloat && math.IsInf(n.Float(), 0) { // 1e999: JSON, but no answer can hold it
			return engine.Value{}, messages("A valid number is required.")
		}
		return n, nil
	case fastjson.TypeString:
		s = unsafeString(v.GetStringBytes())
	default:
		s = string(pyjson.AppendStr(nil, v.MarshalTo(nil)))
	}
	if len(s) > maxTraitTextChars && utf8.RuneCountInString(s) > maxTraitTextChars {
		return engine.Value{}, messages(msgLongString)
	}
	if strings.IndexByte(s, 0) >= 0 { // no column takes it; upstream crashes
		return engine.Value{}, messages(msgNoNUL)
	}
	return engine.StringValue(s), nil
}

// numberValue keeps integers and floats apart. It reads the number's text: fastjson would round a float, and allocate an
// error to say that one is no integer.
func numberValue(v *fastjson.Value, scratch *[]byte) engine.Value {
	*scratch = v.MarshalTo((*scratch)[:0])
	s := unsafeString(*scratch)
	if isInteger(s) {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return engine.IntValue(i)
		}
		return engine.BigIntValue(strings.Clone(s))
	}
	f, _ := strconv.ParseFloat(s, 64)
	return engine.FloatValue(f)
}

// storable tells what is wrong with a value that is to be stored: integers are 32 bits wide in upstream's column.
func storable(v engine.Value) problem {
	switch {
	case v.Kind() == engine.KindBigInt && strings.HasPrefix(v.Text(), "-"), v.Kind() == engine.KindInt && v.Int() < math.MinInt32:
		return messages("Ensure this value is greater than or equal to -2147483648.")
	case v.Kind() == engine.KindBigInt, v.Kind() == engine.KindInt && v.Int() > math.MaxInt32:
		return messages("Ensure this value is less than or equal to 2147483647.")
	}
	return nil
}

// appendValue renders a trait's value as JSON.
func appendValue(dst []byte, v engine.Value) []byte {
	switch v.Kind() {
	case engine.KindString:
		return pyjson.AppendString(dst, v.Text())
	case engine.KindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case engine.KindBigInt:
		return append(dst, v.Text()...)
	case engine.KindFloat:
		return pyjson.AppendFloat(dst, v.Float())
	case engine.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	}
	return append(dst, "null"...)
}
