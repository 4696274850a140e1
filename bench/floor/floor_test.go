package floor

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/bench"
)

// start serves on a free port until the test ends.
func start(t *testing.T, serve func(net.Listener) error) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = serve(ln) }()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func withoutDate(fields []bench.Field) []bench.Field {
	var kept []bench.Field
	for _, f := range fields {
		if f.Name != "Date" {
			kept = append(kept, f)
		}
	}
	return kept
}

var request = bench.FormatRequest("GET", "/any/path", nil, nil)

func TestWholeSendsTheBytesThatWereCaptured(t *testing.T) {
	for _, row := range []struct {
		name    string
		handler fasthttp.RequestHandler
	}{
		{"200", func(ctx *fasthttp.RequestCtx) {
			ctx.Response.Header.SetContentType("application/json")
			ctx.Response.Header.Set("Vary", "Origin")
			ctx.Response.Header.SetContentEncoding("gzip")
			ctx.Response.Header.Set("Etag", `"abc-gzip"`)
			ctx.Response.Header.Set("X-Frame-Options", "DENY")
			ctx.SetBodyString(strings.Repeat("not really gzip", 100))
		}},
		{"304", func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(304)
			ctx.Response.Header.Set("Etag", `"abc"`)
			ctx.Response.Header.Set("Vary", "Origin")
		}},
		{"no content type", func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(403)
			ctx.SetBodyString("no")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			want, err := bench.Fetch(t.Context(), start(t, NewServer(row.handler).Serve), request)
			require.NoError(t, err)
			got, err := bench.Fetch(t.Context(), start(t, NewServer(Whole(want)).Serve), request)
			require.NoError(t, err)
			require.Equal(t, want.Status, got.Status)
			require.Equal(t, withoutDate(want.Fields), withoutDate(got.Fields))
			require.Equal(t, want.Body, got.Body)
			require.Equal(t, want.HeaderBytes, got.HeaderBytes)
		})
	}
}

func TestBodyOnlySendsWhatTheBodyNeeds(t *testing.T) {
	a := bench.Answer{Status: 200, Body: []byte("zzz"), Fields: []bench.Field{
		{Name: "Vary", Value: "Origin"}, {Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Encoding", Value: "br"},
	}}
	got, err := bench.Fetch(t.Context(), start(t, NewServer(BodyOnly(a)).Serve), request)
	require.NoError(t, err)
	require.Equal(t, []bench.Field{
		{Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Encoding", Value: "br"}, {Name: "Content-Length", Value: "3"},
	}, withoutDate(got.Fields))
	require.Equal(t, "zzz", string(got.Body))
}

func TestNothingIsAnAnswer(t *testing.T) {
	got, err := bench.Fetch(t.Context(), start(t, ServeNothing), request)
	require.NoError(t, err)
	require.Equal(t, 200, got.Status)
	require.Equal(t, "ok", string(got.Body))
}
