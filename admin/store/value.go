package store

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// The names under which the type of a value is stored are those of the wire.
const (
	typeString = "unicode"
	typeInt    = "int"
	typeBool   = "bool"
	typeFloat  = "float" // traits only
)

// Limits of the data model, in characters.
const (
	maxNameChars       = 2000
	maxFeatureValue    = 20_000
	maxIdentifierChars = 2000
	maxTraitKeyChars   = 200
	maxTraitChars      = 2000
)

// columnsOf spreads v over the columns (type, string_value, integer_value, boolean_value, float_value). Null is a string
// that is NULL.
func columnsOf(v flagsmith.Value) (typ string, str, integer, boolean, float any) {
	switch v.Kind() {
	case flagsmith.KindInt:
		return typeInt, nil, v.Int(), nil, nil
	case flagsmith.KindBool:
		return typeBool, nil, nil, v.Bool(), nil
	case flagsmith.KindFloat:
		return typeFloat, nil, nil, nil, v.Float()
	case flagsmith.KindString:
		return typeString, v.Text(), nil, nil, nil
	default:
		return typeString, nil, nil, nil, nil
	}
}

// valueColumns reads what columnsOf wrote. Only the column that the type names counts: the others may hold what an earlier
// type left there.
type valueColumns struct {
	typ     sql.NullString // NULL when an outer join found no row
	str     sql.NullString
	integer sql.NullInt64
	boolean sql.NullBool
	float   sql.NullFloat64
}

func (c *valueColumns) value() flagsmith.Value {
	switch {
	case c.typ.String == typeString && c.str.Valid:
		return flagsmith.StringValue(c.str.String)
	case c.typ.String == typeInt && c.integer.Valid:
		return flagsmith.IntValue(c.integer.Int64)
	case c.typ.String == typeBool && c.boolean.Valid:
		return flagsmith.BoolValue(c.boolean.Bool)
	case c.typ.String == typeFloat && c.float.Valid:
		return flagsmith.FloatValue(c.float.Float64)
	default:
		return flagsmith.Value{}
	}
}

// json is the form in which documents carry the value.
func (c *valueColumns) json() (json.RawMessage, error) {
	v := c.value()
	switch v.Kind() {
	case flagsmith.KindString:
		return jsonString(v.Text())
	case flagsmith.KindInt:
		return strconv.AppendInt(nil, v.Int(), 10), nil
	case flagsmith.KindBool:
		return strconv.AppendBool(nil, v.Bool()), nil
	default:
		return json.RawMessage("null"), nil
	}
}

// jsonString quotes s without the escapes that HTML would need, as the wire has none.
func jsonString(s string) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// initialValue types the text of a feature's initial value as Flagsmith does (admin spec 3.3): an integer below 2147483647
// in magnitude, true/True/false/False, else text.
func initialValue(text *string) flagsmith.Value {
	if text == nil {
		return flagsmith.Value{}
	}
	if n, ok := pythonInt(*text); ok && n > -math.MaxInt32 && n < math.MaxInt32 {
		return flagsmith.IntValue(n)
	}
	switch *text {
	case "true", "True":
		return flagsmith.BoolValue(true)
	case "false", "False":
		return flagsmith.BoolValue(false)
	}
	return flagsmith.StringValue(*text)
}

// pythonInt reads what Python's int() reads, of ASCII: blanks around the number and single underscores between digits count
// for nothing.
func pythonInt(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") ||
		strings.HasPrefix(text, "+_") || strings.HasPrefix(text, "-_") {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	return n, err == nil
}

// checkFeatureValue tells whether a feature state or a variant can have the value.
func checkFeatureValue(v flagsmith.Value) error {
	switch v.Kind() {
	case flagsmith.KindNull, flagsmith.KindBool:
		return nil
	case flagsmith.KindInt:
		if n := v.Int(); n < math.MinInt32 || n > math.MaxInt32 {
			return fmt.Errorf("%w: integer value %d has more than 32 bits", ErrInvalid, n)
		}
		return nil
	case flagsmith.KindString:
		return checkText("value", v.Text(), 0, maxFeatureValue)
	default:
		return fmt.Errorf("%w: a feature's value is text, an integer or a boolean", ErrInvalid)
	}
}

// checkNewText is checkText for a setting that stays as it is when nil.
func checkNewText(what string, s *string, minChars, maxChars int) error {
	if s == nil {
		return nil
	}
	return checkText(what, *s, minChars, maxChars)
}

// checkText tells whether both databases can hold s, and whether it is as long as it may be.
func checkText(what, s string, minChars, maxChars int) error {
	switch n := utf8.RuneCountInString(s); {
	case n < minChars:
		return fmt.Errorf("%w: %s has %d characters, at least %d are needed", ErrInvalid, what, n, minChars)
	case n > maxChars:
		return fmt.Errorf("%w: %s has %d characters, at most %d are allowed", ErrInvalid, what, n, maxChars)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%w: %s contains a NUL character", ErrInvalid, what)
	}
	return nil
}
