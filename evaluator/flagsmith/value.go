package flagsmith

import "math"

// Kind is the JSON type of a Value. Integers and floats are different types: 1 and 1.0 compare differently.
type Kind uint8

// The kinds of a Value.
const (
	KindNull Kind = iota
	KindString
	KindInt    // fits an int64
	KindBigInt // an integer that does not; kept as its decimal text
	KindFloat
	KindBool
	KindOpaque // an object or a list: set, but equal to nothing. Only an evaluation context can bring one
)

// Value is the value of a trait or of a context field, as the JSON gave it. The zero Value is null.
type Value struct {
	kind Kind
	text string // KindString, KindBigInt
	bits uint64 // KindInt, KindFloat, KindBool
}

// StringValue returns a string value. It keeps s, not a copy.
func StringValue(s string) Value { return Value{kind: KindString, text: s} }

// IntValue returns an integer value.
func IntValue(i int64) Value { return Value{kind: KindInt, bits: uint64(i)} }

// BigIntValue returns an integer value beyond int64, from its decimal text.
func BigIntValue(decimal string) Value { return Value{kind: KindBigInt, text: decimal} }

// FloatValue returns a float value.
func FloatValue(f float64) Value { return Value{kind: KindFloat, bits: math.Float64bits(f)} }

// BoolValue returns a boolean value.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: KindBool, bits: 1}
	}
	return Value{kind: KindBool}
}

// Kind tells the type of v.
func (v Value) Kind() Kind { return v.kind }

// Text returns the string of a KindString and the digits of a KindBigInt, else "".
func (v Value) Text() string { return v.text }

// Int returns the number of a KindInt, else 0.
func (v Value) Int() int64 {
	if v.kind != KindInt {
		return 0
	}
	return int64(v.bits)
}

// Float returns the number of a KindFloat, else 0.
func (v Value) Float() float64 {
	if v.kind != KindFloat {
		return 0
	}
	return math.Float64frombits(v.bits)
}

// Bool returns the truth of a KindBool, else false.
func (v Value) Bool() bool { return v.kind == KindBool && v.bits == 1 }

// Equal tells whether v and w have the same type and the same value. NaN equals itself, so that an unchanged trait is seen
// as unchanged.
func (v Value) Equal(w Value) bool { return v == w }
