package flagsmith

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// numVectors is how many official cases there are.
const numVectors = 199

// vectorsDir finds the official cases through FLAGSTAFF_VECTORS: a directory that has flagsmith-engine in it, directly or
// under vectors.
func vectorsDir(t *testing.T) string {
	t.Helper()
	root := os.Getenv("FLAGSTAFF_VECTORS")
	if root == "" {
		t.Skip("FLAGSTAFF_VECTORS is not set: no official cases")
	}
	for _, dir := range []string{filepath.Join(root, "vectors", "flagsmith-engine"), filepath.Join(root, "flagsmith-engine")} {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	t.Fatalf("no flagsmith-engine in FLAGSTAFF_VECTORS=%s", root)
	return ""
}

func TestOfficialVectors(t *testing.T) {
	dir := vectorsDir(t)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	cases := 0
	for _, entry := range entries {
		ext := filepath.Ext(entry.Name())
		if ext != ".json" && ext != ".jsonc" {
			continue
		}
		cases++
		t.Run(entry.Name(), func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			require.NoError(t, err)
			var vector struct{ Context, Result json.RawMessage }
			require.NoError(t, json.Unmarshal(stripComments(raw), &vector))
			got, err := EvaluateContext(vector.Context)
			require.NoError(t, err)
			requireSameJSON(t, vector.Result, got)
		})
	}
	require.GreaterOrEqual(t, cases, numVectors)
}

// requireSameJSON compares strictly: types and spelling of numbers, nulls, order of lists; not the order of objects.
func requireSameJSON(t *testing.T, want, got []byte) {
	t.Helper()
	require.Equal(t, decodeStrict(t, want), decodeStrict(t, got))
}

func decodeStrict(t *testing.T, data []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v), "%s", data)
	return v
}

// stripComments blanks // comments outside strings.
func stripComments(src []byte) []byte {
	dst := make([]byte, 0, len(src))
	quoted := false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == '/' && i+1 < len(src) && src[i+1] == '/':
			for i < len(src) && src[i] != '\n' {
				i++
			}
		}
		if i < len(src) {
			dst = append(dst, src[i])
		}
	}
	return dst
}

func TestStripComments(t *testing.T) {
	got := stripComments([]byte("// one\n{\"a\": \"http://x \\\" // no\", // two\n\"b\": 1} // three"))
	require.JSONEq(t, `{"a": "http://x \" // no", "b": 1}`, string(got))
}
