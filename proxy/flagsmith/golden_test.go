package flagsmith_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// exchange is a request whose answer is kept in a golden file.
type exchange struct {
	name   string
	method string
	target string
	body   string
	how    []sending
}

// onEveryAnswer are the fields that each answer of the API carries; golden files leave them out.
var onEveryAnswer = map[string]string{
	"Cache-Control":              "max-age=0, no-cache, no-store, must-revalidate, private",
	"Pragma":                     "no-cache",
	"X-Frame-Options":            "DENY",
	"X-Content-Type-Options":     "nosniff",
	"Referrer-Policy":            "same-origin",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Flagsmith-Version":          "2.265.0",
}

// volatile are the fields that tell the time.
var volatile = []string{"Date", "Expires"}

// requireGolden sends each exchange and compares what passed over the wire with testdata/golden/<file>.
func requireGolden(t *testing.T, r *rig, file string, exchanges []exchange) {
	t.Helper()
	var transcript strings.Builder
	var before string // the header of the exchange before
	seen := make(map[string]bool)
	for _, x := range exchanges {
		require.False(t, seen[x.name], "two exchanges are named %q", x.name)
		seen[x.name] = true
		req := r.request(x.method, x.target, x.body, x.how...)
		a, err := do(r.client, req)
		require.NoError(t, err, x.name)
		for name, value := range onEveryAnswer {
			require.Equal(t, value, a.header.Get(name), "%s: %s", x.name, name)
		}
		for _, name := range volatile {
			require.NotEmpty(t, a.header.Get(name), "%s: %s", x.name, name)
		}
		writeRequest(&transcript, x, req)
		before = writeAnswer(&transcript, x, a, before)
	}
	requireGoldenText(t, file, transcript.String())
}

// requireGoldenText compares text with a golden file, or rewrites the file.
func requireGoldenText(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", file)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test -update writes it")
	require.Equal(t, string(want), text)
}

func writeRequest(w *strings.Builder, x exchange, req *http.Request) {
	fmt.Fprintf(w, "### %s\n%s %s\n%s", x.name, x.method, shortened(x.target), requestHeader(req.Header))
	if x.body != "" {
		fmt.Fprintf(w, "\n%s\n", shortened(x.body))
	}
}

// writeAnswer returns the header that it wrote, for the next one to refer to.
func writeAnswer(w *strings.Builder, x exchange, a *answer, before string) string {
	leftOut := slices.Collect(maps.Keys(onEveryAnswer))
	if x.method != http.MethodHead {
		leftOut = append(leftOut, "Content-Length") // net/http has checked it
	}
	header := headerText(a.header, leftOut...)
	fmt.Fprintf(w, "\n%d %s\n", a.status, http.StatusText(a.status))
	if header == before {
		fmt.Fprintln(w, "(header as above)")
	} else {
		fmt.Fprint(w, header)
	}
	if a.body != "" {
		fmt.Fprintf(w, "\n%s\n", shortened(a.body))
	}
	fmt.Fprintln(w)
	return header
}

// requestHeader tells what a request has that is not as usual.
func requestHeader(h http.Header) string {
	h = maps.Clone(h)
	if h.Get("X-Environment-Key") == clientKey {
		h.Del("X-Environment-Key")
	} else if len(h["X-Environment-Key"]) == 0 {
		h["X-Environment-Key"] = []string{"(none)"}
	}
	if h.Get("Content-Type") == "application/json" {
		h.Del("Content-Type")
	}
	return headerText(h, "User-Agent")
}

func headerText(h http.Header, leftOut ...string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !slices.Contains(leftOut, name) && !slices.Contains(volatile, name) {
			fmt.Fprintf(&text, "%s: %s\n", name, strings.Join(h[name], " | "))
		}
	}
	return text.String()
}

// shortened keeps golden files readable: long runs are counted, and what does not print is quoted.
func shortened(s string) string {
	const limit = 600
	if len(s) > limit {
		s = fmt.Sprintf("%s… (%d bytes)", s[:80], len(s))
	}
	for _, c := range s {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) && c != '\n' {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
