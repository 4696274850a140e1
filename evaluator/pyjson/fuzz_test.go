package pyjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func addSeeds(f *testing.F) {
	g := loadGolden(f)
	for _, input := range g.errorInputs(f) {
		f.Add(input)
	}
	for _, c := range g.Documents {
		f.Add([]byte(c.Text))
	}
}

// pythonRefuses reports whether body, which encoding/json accepts, is among the three things that Python does not: bytes
// that are not UTF-8 in a string, nesting beyond MaxDepth, and integers beyond maxIntDigits.
func pythonRefuses(body []byte) bool {
	if !utf8.Valid(body) {
		return true
	}
	tokens := json.NewDecoder(bytes.NewReader(body))
	tokens.UseNumber()
	for depth := 0; ; {
		token, err := tokens.Token()
		if err != nil {
			return false
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '[' || token == '{' {
				depth++
			} else {
				depth--
			}
			if depth > MaxDepth {
				return true
			}
		case json.Number:
			number := strings.TrimPrefix(token.String(), "-")
			if len(number) > maxIntDigits && !strings.ContainsAny(number, ".eE") {
				return true
			}
		}
	}
}

func FuzzErrorMessage(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		message := ErrorMessage(body)
		require.Equal(t, message == "", Valid(body))
		require.Equal(t, message == "", json.Valid(body) && !pythonRefuses(body), "%q: %s", body, message)
		require.True(t, utf8.ValidString(message))
	})
}

func FuzzAppendCompact(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		once := AppendCompact([]byte(prefix), raw)
		require.True(t, bytes.HasPrefix(once, []byte(prefix)))
		require.True(t, bytes.HasPrefix(AppendStr([]byte(prefix), raw), []byte(prefix)))
		if !Valid(raw) {
			return
		}
		once = once[len(prefix):]
		if bytes.Contains(once, []byte("Infinity")) { // a number too large for a float, or just these letters
			return
		}
		require.True(t, Valid(once), "%q became %q", raw, once)
		require.Equal(t, string(once), string(AppendCompact(nil, once)))
		require.Equal(t, string(AppendStr(nil, raw)), string(AppendStr(nil, once)))

		if bytes.Contains(once, []byte(`\ud`)) { // encoding/json takes all halves of pairs for one character, keys too
			return
		}
		var before, after any
		if json.Unmarshal(raw, &before) != nil { // an integer too large for a float
			return
		}
		require.NoError(t, json.Unmarshal(once, &after))
		require.Equal(t, before, after)
	})
}

func FuzzAppendString(f *testing.F) {
	for _, c := range loadGolden(f).Strings {
		f.Add(c.Text)
	}
	f.Add("a\xffb\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		out := AppendString(nil, s)
		for _, c := range out {
			require.True(t, c >= ' ' && c < 0x7f, "%q", out)
		}
		var back string
		require.NoError(t, json.Unmarshal(out, &back))
		require.Equal(t, string([]rune(s)), back)
		require.Equal(t, string(out), string(AppendCompact(nil, out)))
	})
}
