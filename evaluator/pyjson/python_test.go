package pyjson

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
)

// golden is testdata/python.json: what CPython 3.11 answered to each input.
type golden struct {
	Printable string `json:"printable"` // SHA-256 of one '0' or '1' for each code point
	Strings   []struct{ Text, Want string }
	Floats    []struct{ Bits, JSON, Text string }
	Documents []struct{ Text, Compact, Str string } // Str is empty for a scalar
	Errors    []struct{ Text, Hex, Want string }    // Hex if the input is not UTF-8
	Times     []struct {
		Micros          int64
		Z, Offset, Unix string
	}
}

func loadGolden(tb testing.TB) golden {
	tb.Helper()
	text, err := os.ReadFile("testdata/python.json")
	require.NoError(tb, err)
	var g golden
	require.NoError(tb, json.Unmarshal(text, &g))
	require.NotEmpty(tb, g.Strings)
	require.NotEmpty(tb, g.Floats)
	require.NotEmpty(tb, g.Documents)
	require.NotEmpty(tb, g.Errors)
	require.NotEmpty(tb, g.Times)
	return g
}

func (g golden) errorInputs(tb testing.TB) [][]byte {
	tb.Helper()
	inputs := make([][]byte, len(g.Errors))
	for i, e := range g.Errors {
		inputs[i] = []byte(e.Text)
		if e.Hex != "" {
			b, err := hex.DecodeString(e.Hex)
			require.NoError(tb, err)
			inputs[i] = b
		}
	}
	return inputs
}

// prefix shows that what stands in dst already is left alone.
const prefix = `{"prefix":`

func TestPythonStrings(t *testing.T) {
	for _, c := range loadGolden(t).Strings {
		require.Equal(t, prefix+c.Want, string(AppendString([]byte(prefix), c.Text)), "%q", c.Text)
	}
}

func TestInvalidUTF8BecomesReplacementCharacters(t *testing.T) {
	require.Equal(t, `"a\ufffdb\ufffd\ufffd\ufffd"`, string(AppendString(nil, "a\xffb\xed\xa0\x80")))
	require.Equal(t, `"a\ufffdb"`, string(AppendCompact(nil, []byte("\"a\xffb\""))))
}

func TestPythonFloats(t *testing.T) {
	for _, c := range loadGolden(t).Floats {
		bits, err := strconv.ParseUint(c.Bits, 16, 64)
		require.NoError(t, err)
		f := math.Float64frombits(bits)
		require.Equal(t, prefix+c.JSON, string(AppendFloat([]byte(prefix), f)))
		require.Equal(t, prefix+c.Text, string(AppendFloatText([]byte(prefix), f)))
	}
}

func TestPythonDocuments(t *testing.T) {
	for _, c := range loadGolden(t).Documents {
		raw := []byte(c.Text)
		require.True(t, Valid(raw), c.Text)
		require.Equal(t, prefix+c.Compact, string(AppendCompact([]byte(prefix), raw)), c.Text)
		if c.Str != "" {
			require.Equal(t, prefix+c.Str, string(AppendStr([]byte(prefix), raw)), c.Text)
		}
	}
}

func TestPythonErrors(t *testing.T) {
	g := loadGolden(t)
	for i, input := range g.errorInputs(t) {
		require.Equal(t, g.Errors[i].Want, ErrorMessage(input), "%q", input)
		require.Equal(t, g.Errors[i].Want == "", Valid(input), "%q", input)
	}
}

func TestPythonTimes(t *testing.T) {
	zone := time.FixedZone("elsewhere", -7*3600)
	for _, c := range loadGolden(t).Times {
		at := time.UnixMicro(c.Micros).In(zone).Add(999) // nanoseconds that Python does not have
		require.Equal(t, prefix+c.Z, string(AppendTime([]byte(prefix), at)))
		require.Equal(t, prefix+c.Offset, string(AppendTimeOffset([]byte(prefix), at)))
		require.Equal(t, prefix+c.Unix, string(AppendUnixFloat([]byte(prefix), at)))
	}
}

func TestPrintableIsThatOfPython(t *testing.T) {
	table := make([]byte, unicode.MaxRune+1)
	for r := range table {
		table[r] = '0'
		if isPrintable(rune(r)) {
			table[r] = '1'
		}
	}
	sum := sha256.Sum256(table)
	require.Equal(t, loadGolden(t).Printable, hex.EncodeToString(sum[:]), "Go's Unicode tables have moved past %s: "+
		"add what is new to sinceUnicode15", unicode.Version)
}

func TestDepthLimit(t *testing.T) {
	nested := func(open, inner, end string, depth int) []byte {
		return []byte(strings.Repeat(open, depth) + inner + strings.Repeat(end, depth))
	}
	require.Empty(t, ErrorMessage(nested("[", "1", "]", MaxDepth)))
	require.Empty(t, ErrorMessage(nested(`{"a":`, "1", "}", MaxDepth)))
	require.Equal(t, "maximum recursion depth exceeded while decoding a JSON array from a unicode string",
		ErrorMessage(nested("[", "1", "]", MaxDepth+1)))
	require.Equal(t, "maximum recursion depth exceeded while decoding a JSON object from a unicode string",
		ErrorMessage(nested(`{"a":`, "1", "}", MaxDepth+1)))
	require.False(t, Valid(nested("[", "", "", 1_000_000)))

	deepest := nested(`{"a":`, `{"b":1,"b":2}`, "}", MaxDepth-1)
	require.Equal(t, string(nested(`{"a":`, `{"b":2}`, "}", MaxDepth-1)), string(AppendCompact(nil, deepest)))
	tooDeep := nested(`{"a":`, `{"b":1,"b":2}`, "}", 100_000)
	require.Equal(t, string(tooDeep), string(AppendCompact(nil, tooDeep)), "not valid: copied as it is")
}

func TestIntegerLimit(t *testing.T) {
	digits := strings.Repeat("7", maxIntDigits)
	require.Empty(t, ErrorMessage([]byte("-"+digits)))
	require.Empty(t, ErrorMessage([]byte(digits+"7.0")))
	require.Equal(t, "Exceeds the limit (4300 digits) for integer string conversion: value has 4301 digits; "+
		"use sys.set_int_max_str_digits() to increase the limit", ErrorMessage([]byte("["+digits+"7 x")))
}

// Many members must take time in proportion to their number: a quadratic search would run for minutes.
func TestManyKeysAreCheap(t *testing.T) {
	var raw []byte
	for i := range 200_000 {
		raw = append(strconv.AppendInt(append(raw, `,"k`...), int64(i), 10), `":1`...)
	}
	raw[0] = '{'
	distinct := append(raw[:len(raw):len(raw)], '}')
	require.Equal(t, string(distinct), string(AppendCompact(nil, distinct)))
	repeated := append(raw[:len(raw):len(raw)], `,"k0":2}`...)
	require.Equal(t, `{"k0":2`+string(distinct[len(`{"k0":1`):]), string(AppendCompact(nil, repeated)))
	nested := []byte(strings.Repeat(`{"a":`, 800) + string(repeated) + strings.Repeat("}", 800))
	require.Len(t, AppendCompact(nil, nested), len(nested)-len(`,"k0":2`))
}
