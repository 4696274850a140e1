package pyregexp

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// pythonCase is what Python's re answers for one pattern; see testdata/generate.py.
type pythonCase struct {
	Pattern string   `json:"p"`
	Error   bool     `json:"error"`
	Texts   [][2]any `json:"t"` // text, matches
}

func readCases(t *testing.T) []pythonCase {
	t.Helper()
	// A longer comparison: PYREGEXP_CASES names a file that generate.py has written.
	file := os.Getenv("PYREGEXP_CASES")
	if file == "" {
		file = "testdata/cases.json"
	}
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var cases []pythonCase
	require.NoError(t, json.Unmarshal(raw, &cases))
	return cases
}

func TestPythonAgrees(t *testing.T) {
	for _, c := range readCases(t) {
		re, err := Compile(c.Pattern)
		if c.Error != (err != nil) {
			t.Errorf("Compile(%q): error %v, Python's: %v", c.Pattern, err, c.Error)
			continue
		}
		for _, answer := range c.Texts {
			text, want := answer[0].(string), answer[1].(bool)
			if got := re.MatchString(text); got != want {
				t.Errorf("%q on %q: %v, want %v", c.Pattern, text, got, want)
			}
			if got := re.Match([]byte(text)); got != want {
				t.Errorf("%q on bytes %q: %v, want %v", c.Pattern, text, got, want)
			}
			// Both engines must agree wherever both can be asked.
			if got := re.program.match(text); got != want {
				t.Errorf("%q on %q, backtracking: %v, want %v", c.Pattern, text, got, want)
			}
		}
	}
}

func TestWorkIsBounded(t *testing.T) {
	a := strings.Repeat("a", 5000)
	for _, c := range []struct {
		name, pattern, text string
		want                bool
	}{
		{name: "exponential pattern that RE2 takes over", pattern: `(a+)+$`, text: a + "!", want: false},
		{name: "exponential pattern", pattern: `(?!x)(a+)+$`, text: a + "!", want: false},
		{name: "exponential pattern with a back-reference", pattern: `(a*)*\1b`, text: a, want: false},
		{name: "endless empty rounds", pattern: `(?:(?=a)|b)*c`, text: a, want: false},
		{name: "too many empty rounds that must come", pattern: `(?:){4294967294}`, text: "", want: false},
		{name: "count beyond RE2", pattern: `a{4000}`, text: a, want: true},
		{name: "count that is not reached", pattern: `a{6000}`, text: a, want: false},
		{name: "program that would be too large written out", pattern: `((((a{50}){50}){50}){50}){50}|a`, text: "a", want: true},
		{name: "long text", pattern: `(?!b)a*$`, text: a, want: true},
		{name: "text too long for backtracking", pattern: `(?!b)a*$`, text: strings.Repeat(a, 100), want: false},
		{name: "text too long for its program", pattern: `(?:a{500}|b)`, text: strings.Repeat(a, 100), want: false},
		{name: "long look-behind", pattern: `a*(?<=a{4000})`, text: a, want: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			re, err := Compile(c.pattern)
			require.NoError(t, err)
			require.Equal(t, c.want, re.MatchString(c.text))
			require.Equal(t, c.want, re.MatchString(c.text), "again")
		})
	}
}

func TestRefused(t *testing.T) {
	for name, pattern := range map[string]string{
		"names of characters are not known": `\N{DIGIT ONE}`,
		"pattern too long":                  strings.Repeat("a", maxPattern+1),
		"groups nested too deep":            strings.Repeat("(", 300) + strings.Repeat(")", 300),
		"conditions nested too deep":        "()" + strings.Repeat("(?(1)", 300) + strings.Repeat(")", 300),
		"pattern that is not UTF-8":         "a\xff",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(pattern)
			require.Error(t, err)
		})
	}
}

// Whatever the pattern and the text, Compile and a match return, and where both engines can answer they agree.
func FuzzPyregexp(f *testing.F) {
	for _, pattern := range []string{
		`^a+b$`, `(?i)(?P<n>a)(?P=n)`, `(?<!a)b`, `(?>a*)b`, `(a)?(?(1)b|c)`, `[^\W\d]+\b`, `a{2,3}+`, `(?x) a # b`, `\x41[]-a]`,
	} {
		for _, text := range []string{"", "aab", "AbÉ\n"} {
			f.Add(pattern, text)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := Compile(pattern)
		if err != nil {
			return
		}
		got := re.MatchString(text)
		require.Equal(t, got, re.Match([]byte(text)))
		if !utf8.ValidString(text) {
			return
		}
		m := newMachine(re.program, text)
		if _, ok := m.run(0, 0); m.steps >= 0 && re.texts.size*len(text) <= maxWork {
			require.Equal(t, ok, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, bench := range []struct{ name, pattern, text string }{
		{"engine=RE2/word boundary", `^beta\b.*@example\.com$`, "beta tester@example.com"},
		{"engine=backtracking/look-ahead", `^(?!internal).*@example\.com$`, "beta tester@example.com"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			re, err := Compile(bench.pattern)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if !re.MatchString(bench.text) {
					b.Fatal("no match")
				}
			}
		})
	}
}
