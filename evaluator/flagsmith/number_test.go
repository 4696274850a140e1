package flagsmith

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// testdata/numbers.json is what Python's int(), float() and repr() answer.
func TestNumbers(t *testing.T) {
	raw, err := os.ReadFile("testdata/numbers.json")
	require.NoError(t, err)
	var numbers struct {
		Texts []struct {
			Text       string
			Int, Float *string // nil: refused
		}
		Reprs [][2]string // digits, repr
	}
	require.NoError(t, json.Unmarshal(raw, &numbers))
	for _, row := range numbers.Texts {
		i, ok := parseInt(row.Text)
		require.Equal(t, row.Int != nil, ok, "int(%q)", row.Text)
		if ok {
			require.Equal(t, *row.Int, string(i.appendText(nil)), "int(%q)", row.Text)
		}
		f, ok := parseFloat(row.Text)
		require.Equal(t, row.Float != nil, ok, "float(%q)", row.Text)
		if ok {
			require.Equal(t, *row.Float, string(appendFloat(nil, f)), "float(%q)", row.Text)
		}
	}
	for _, row := range numbers.Reprs {
		f, err := strconv.ParseFloat(row[0], 64)
		require.NoError(t, err)
		require.Equal(t, "x"+row[1], string(appendFloat([]byte("x"), f)))
	}
}

// The table of spec section 3.3.
func TestCoerce(t *testing.T) {
	for _, c := range []struct {
		value Value
		kind  Kind
		text  string
	}{
		{StringValue("007"), KindInt, "7"},
		{StringValue("-0"), KindInt, "0"},
		{StringValue("-12"), KindInt, "-12"},
		{StringValue("123456789012345678901234567890"), KindInt, "123456789012345678901234567890"},
		{StringValue("1.10"), KindFloat, "1.1"},
		{StringValue("-0.0"), KindFloat, "-0.0"},
		{StringValue("00.50"), KindFloat, "0.5"},
		{StringValue("+1"), KindString, "+1"},
		{StringValue("1e3"), KindString, "1e3"},
		{StringValue(".5"), KindString, ".5"},
		{StringValue("5."), KindString, "5."},
		{StringValue("-"), KindString, "-"},
		{StringValue("--1"), KindString, "--1"},
		{StringValue("1.2.3"), KindString, "1.2.3"},
		{StringValue(" 1"), KindString, " 1"},
		{StringValue("1\n"), KindString, "1\n"},
		{StringValue("٣"), KindString, "٣"},
		{StringValue("true"), KindString, "true"},
		{StringValue(""), KindString, ""},
		{IntValue(-5), KindInt, "-5"},
		{IntValue(math.MinInt64), KindInt, "-9223372036854775808"},
		{BigIntValue("-9223372036854775809"), KindInt, "-9223372036854775809"},
		{FloatValue(1e16), KindFloat, "1e+16"},
		{FloatValue(math.Inf(-1)), KindFloat, "-inf"},
		{FloatValue(math.NaN()), KindFloat, "nan"},
		{BoolValue(true), KindBool, "True"},
		{BoolValue(false), KindBool, "False"},
		{Value{}, KindNull, ""},
	} {
		got := coerce(c.value)
		require.Equal(t, c.kind, got.kind, "%v", c.value)
		require.Equal(t, c.text, string(got.appendText(nil)), "%v", c.value)
	}
}
