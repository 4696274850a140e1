package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// contextOf is an evaluation context, on one line, in which flag on is enabled for identities of plan premium.
func contextOf(identifier, plan string) string {
	return fmt.Sprintf(`{"environment":{"key":"k","name":"Dev"},"identity":{"identifier":%q,"traits":{"plan":%q}},`+
		`"features":{"on":{"key":"1","name":"on","enabled":false,"value":%q}},`+
		`"segments":{"1":{"key":"1","name":"premium","rules":[{"type":"ALL","conditions":[{"property":"plan","operator":"EQUAL","value":"premium"}]}],`+
		`"overrides":[{"key":"2","name":"on","enabled":true,"value":%q}]}}}`, identifier, plan, identifier, identifier)
}

// evaluation is a line of output.
type evaluation struct {
	Error string
	Flags map[string]struct {
		Enabled bool
		Value   string
		Reason  string
	}
	Segments []struct{ Name string }
}

// evaluate runs the command on an input and returns its lines.
func evaluate(t testing.TB, input string) (lines []evaluation, r result) {
	t.Helper()
	r = runWith(t, options{stdin: strings.NewReader(input)}, nil, "evaluate", "--dialect=flagsmith")
	for line := range strings.Lines(r.stdout) {
		require.True(t, strings.HasSuffix(line, "\n"))
		lines = append(lines, decoded[evaluation](t, line))
	}
	return lines, r
}

func TestEvaluateAnswersLineByLine(t *testing.T) {
	t.Parallel()
	const n = 1000
	var input strings.Builder
	for i := range n {
		fmt.Fprintln(&input, contextOf("user-"+strconv.Itoa(i), []string{"premium", "free"}[i%2]))
		if i%10 == 0 {
			input.WriteString(" \t\n") // an empty line is none
		}
	}
	lines, r := evaluate(t, strings.TrimSuffix(input.String(), "\n")) // the last line need not end
	require.Zero(t, r.code, r.stderr)
	require.Empty(t, r.stderr)
	require.Len(t, lines, n)
	for i, line := range lines {
		require.Empty(t, line.Error)
		require.Equal(t, "user-"+strconv.Itoa(i), line.Flags["on"].Value, "lines come in order")
		require.Equal(t, i%2 == 0, line.Flags["on"].Enabled)
		require.NotEmpty(t, line.Flags["on"].Reason)
		require.Len(t, line.Segments, 1-i%2)
	}
}

func TestEvaluateSaysWhichLineIsBad(t *testing.T) {
	t.Parallel()
	good := contextOf("ann", "premium")
	lines, r := evaluate(t, strings.Join([]string{good, "{", good, "", "[]", "null", `"\n"`, good[:len(good)/2], good + "}", "\x00", good}, "\n"))
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "7 lines were no evaluation context")
	var bad []string
	for i, line := range lines {
		if line.Error != "" {
			number, _, _ := strings.Cut(line.Error, ":")
			bad = append(bad, number)
			continue
		}
		require.Equal(t, "ann", line.Flags["on"].Value, "line %d", i)
	}
	require.Equal(t, []string{"line 2", "line 5", "line 6", "line 7", "line 8", "line 9", "line 10"}, bad, "empty lines count")
	require.Len(t, lines, 10)
}

func TestEvaluateTakesLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	lines, r := evaluate(t, contextOf(long, "premium")+"\n"+contextOf("ann", "free")+"\n"+long+"\n"+contextOf(long+long, "free")+"\n")
	require.Equal(t, 2, r.code)
	require.Len(t, lines, 4)
	require.Equal(t, long, lines[0].Flags["on"].Value)
	require.Equal(t, "ann", lines[1].Flags["on"].Value)
	require.NotEmpty(t, lines[2].Error)
	require.Less(t, len(lines[2].Error), 1000, "a line that is not understood is not repeated")
	require.Equal(t, long+long, lines[3].Flags["on"].Value)
}

func TestEvaluateOfNothing(t *testing.T) {
	t.Parallel()
	lines, r := evaluate(t, "")
	require.Zero(t, r.code)
	require.Empty(t, lines)
}

// TestEvaluateAnswersAtOnce talks to the command through pipes, as another program would.
func TestEvaluateAnswersAtOnce(t *testing.T) {
	t.Parallel()
	stdin, questions := io.Pipe()
	p := launchWith(t, options{stdin: stdin}, nil, "evaluate")
	for i := range 3 {
		_, err := io.WriteString(questions, contextOf("ann", "premium")+"\n")
		require.NoError(t, err)
		eventually(t, "a line is answered before the next one is asked", func() bool { return strings.Count(p.stdout.String(), "\n") == i+1 })
	}
	require.NoError(t, questions.Close())
	require.Zero(t, p.wait())
}

// vectors are the official cases of the engine, as JSON with comments.
func vectors(t testing.TB) []string {
	t.Helper()
	root := os.Getenv("FLAGSTAFF_VECTORS")
	if root == "" {
		t.Skip("FLAGSTAFF_VECTORS is not set: no official cases")
	}
	for _, dir := range []string{filepath.Join(root, "vectors", "flagsmith-engine"), filepath.Join(root, "flagsmith-engine")} {
		if files, err := filepath.Glob(filepath.Join(dir, "*.json*")); err == nil && len(files) > 0 {
			return files
		}
	}
	require.FailNow(t, "no flagsmith-engine in FLAGSTAFF_VECTORS="+root)
	return nil
}

// TestEvaluateOfficialCases gives all of them to one process.
func TestEvaluateOfficialCases(t *testing.T) {
	t.Parallel()
	files := vectors(t)
	require.GreaterOrEqual(t, len(files), 199)
	var input bytes.Buffer
	var want []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		vector := decoded[struct{ Context, Result json.RawMessage }](t, withoutComments(string(text)))
		require.NoError(t, json.Compact(&input, vector.Context), file)
		input.WriteByte('\n')
		want = append(want, string(vector.Result))
	}
	r := runWith(t, options{stdin: &input}, nil, "evaluate", "--dialect=flagsmith")
	require.Zero(t, r.code, r.stderr)
	lines := strings.SplitAfter(strings.TrimSuffix(r.stdout, "\n"), "\n")
	require.Len(t, lines, len(want))
	for i, line := range lines {
		require.Equal(t, decoded[any](t, want[i]), decoded[any](t, line), filepath.Base(files[i]))
	}
}

// withoutComments cuts what follows // on a line, outside of strings.
func withoutComments(text string) string {
	var out strings.Builder
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		quoted := false
		for i := 0; i < len(line); i++ {
			switch {
			case quoted && line[i] == '\\':
				i++
			case line[i] == '"':
				quoted = !quoted
			case !quoted && strings.HasPrefix(line[i:], "//"):
				line = line[:i]
			}
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}
