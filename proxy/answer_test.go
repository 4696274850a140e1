package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy"
)

// write writes an answer as the response to a request with this Accept-Encoding.
func write(a *proxy.Answer, accept string) *fasthttp.Response {
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.Set("Accept-Encoding", accept)
	a.Write(&ctx)
	return &ctx.Response
}

var compressible = []byte(strings.Repeat("the same again, ", 100))

func TestAnswer(t *testing.T) {
	a := proxy.NewAnswer(201, []proxy.Header{{Name: "Content-Type", Value: "text/x"}, {Name: "X-A", Value: "1"}}, []byte("body"), false)
	for range 2 { // any number of requests
		r := write(a, "gzip")
		require.Equal(t, 201, r.StatusCode())
		require.Equal(t, "body", string(r.Body()))
		require.Equal(t, "1", string(r.Header.Peek("X-A")))
		require.Equal(t, "text/x", string(r.Header.ContentType()))
		require.Empty(t, r.Header.Peek("Content-Encoding"))
	}
	require.Equal(t, "body", string(a.Body()))
	require.Equal(t, 4, a.Bytes())
}

// What one request does to its response does not show in another's.
func TestAnswerIsNotChangedByItsUse(t *testing.T) {
	a := proxy.NewAnswer(200, []proxy.Header{{Name: "X-A", Value: "1"}}, []byte("body"), false)
	first := write(a, "")
	first.Header.Set("X-A", "changed")
	first.Header.Set("X-B", "added")
	first.SetStatusCode(404)
	first.SetBodyString("other")
	second := write(a, "")
	require.Equal(t, 200, second.StatusCode())
	require.Equal(t, "1", string(second.Header.Peek("X-A")))
	require.Empty(t, second.Header.Peek("X-B"))
	require.Equal(t, "body", string(second.Body()))
}

func TestAnswerReplacesTheHeader(t *testing.T) {
	var ctx fasthttp.RequestCtx
	ctx.Response.Header.Set("X-Before", "1")
	proxy.NewAnswer(200, nil, nil, false).Write(&ctx)
	require.Empty(t, ctx.Response.Header.Peek("X-Before"))
	ctx.Response.SetBodyString("mine")
	proxy.NewAnswer(202, []proxy.Header{{Name: "X-A", Value: "1"}}, []byte("its"), false).WriteHeader(&ctx)
	require.Equal(t, 202, ctx.Response.StatusCode())
	require.Equal(t, "mine", string(ctx.Response.Body()))
}

func TestAnswerWithoutContentTypeHasNone(t *testing.T) {
	text := write(proxy.NewAnswer(200, nil, []byte("x"), false), "").String()
	require.NotContains(t, text, "Content-Type")
}

func TestCompressedAnswer(t *testing.T) {
	a := proxy.NewAnswer(200, []proxy.Header{{Name: "ETag", Value: `"v1"`}}, compressible, true)
	for accept, etag := range map[string]string{"": `"v1"`, "gzip": `"v1-gzip"`, "zstd": `"v1-zstd"`, "gzip, zstd": `"v1-zstd"`} {
		r := write(a, accept)
		require.Equal(t, etag, string(r.Header.Peek("ETag")))
		var body []byte
		var err error
		switch string(r.Header.Peek("Content-Encoding")) {
		case "gzip":
			z, zerr := gzip.NewReader(bytes.NewReader(r.Body()))
			require.NoError(t, zerr)
			body, err = io.ReadAll(z)
		case "zstd":
			z, zerr := zstd.NewReader(nil)
			require.NoError(t, zerr)
			body, err = z.DecodeAll(r.Body(), nil)
			z.Close()
		default:
			body = r.Body()
		}
		require.NoError(t, err)
		require.Equal(t, compressible, body)
	}
	require.Greater(t, a.Bytes(), len(compressible))
}

func TestAnswersThatAreNotCompressed(t *testing.T) {
	random := make([]byte, 4096)
	state := uint32(1)
	for i := range random { // a body that no compressor makes smaller
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		random[i] = byte(state)
	}
	for name, a := range map[string]*proxy.Answer{
		"not asked for":           proxy.NewAnswer(200, nil, compressible, false),
		"shorter than 200 bytes":  proxy.NewAnswer(200, nil, compressible[:199], true),
		"would not get smaller":   proxy.NewAnswer(200, nil, random, true),
		"empty":                   proxy.NewAnswer(200, nil, nil, true),
		"not modified, not asked": proxy.NewAnswer(200, nil, compressible, false).NotModified(nil),
	} {
		require.Empty(t, write(a, "gzip, zstd").Header.Peek("Content-Encoding"), name)
	}
	require.Equal(t, "zstd", string(write(proxy.NewAnswer(200, nil, compressible[:200], true), "gzip, zstd").Header.Peek("Content-Encoding")))
}

func TestETagsThatAreNotStrong(t *testing.T) {
	for _, etag := range []string{"", `"`, "bare"} {
		a := proxy.NewAnswer(200, []proxy.Header{{Name: "ETag", Value: etag}}, compressible, true)
		require.Equal(t, etag, string(write(a, "gzip").Header.Peek("ETag")))
	}
}

// onTheWire returns the header fields of r as a client gets them.
func onTheWire(t *testing.T, r *fasthttp.Response) http.Header {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(r.String())), nil)
	require.NoError(t, err)
	return resp.Header
}

func TestNotModified(t *testing.T) {
	tag := []proxy.Header{{Name: "ETag", Value: `"v1"`}, {Name: "Vary", Value: "Accept-Encoding"}}
	for name, document := range map[string]*proxy.Answer{
		"compressed": proxy.NewAnswer(200, tag, compressible, true),
		"plain":      proxy.NewAnswer(200, tag, compressible, false),
	} {
		for _, accept := range []string{"", "gzip", "zstd", "gzip, zstd", "br"} {
			ok, not := write(document, accept), write(document.NotModified(tag), accept)
			require.Equal(t, 304, not.StatusCode())
			require.Equal(t, string(ok.Header.Peek("ETag")), string(not.Header.Peek("ETag")), "%s %s", name, accept)
			require.Empty(t, not.Header.Peek("Content-Encoding"))
			require.Empty(t, not.Body())
			require.Equal(t, "Accept-Encoding", onTheWire(t, not).Get("Vary"))
		}
	}
}

func TestAnswerIsWrittenByManyAtOnce(t *testing.T) {
	a := proxy.NewAnswer(200, []proxy.Header{{Name: "ETag", Value: `"v1"`}}, compressible, true)
	var all sync.WaitGroup
	for i := range 8 {
		accept := []string{"", "gzip", "zstd"}[i%3]
		all.Go(func() {
			for range 200 {
				if write(a, accept).StatusCode() != 200 {
					t.Error("not 200")
				}
			}
		})
	}
	all.Wait()
}

func TestAcceptedEncodings(t *testing.T) {
	for _, row := range []struct {
		field      string
		gzip, zstd bool
	}{
		{"", false, false},
		{"gzip", true, false},
		{"zstd", false, true},
		{"gzip,zstd", true, true},
		{" gzip , zstd ", true, true},
		{"GZip", true, false},
		{"ZSTD", false, true},
		{"x-gzip", true, false},
		{"gzip;q=1.0", true, false},
		{"gzip;q=0.001", true, false},
		{"gzip; q=0.5", true, false},
		{"gzip;q=0", false, false},
		{"gzip;q=0.000", false, false},
		{"gzip; q = 0", false, false},
		{"gzip;Q=0", false, false},
		{"zstd;q=0", false, false},
		{"*", true, false}, // zstd is young: it is never guessed
		{"*;q=0", false, false},
		{"gzip;q=0, *", false, false},
		{"*, gzip;q=0", false, false},
		{"*;q=0, gzip", true, false},
		{"zstd, *;q=0", false, true},
		{"deflate, br", false, false},
		{"identity;q=0", false, false},
		{"gzip, gzip;q=0", false, false},
		{"gzipx, xgzip, zst", false, false},
		{",,gzip,,", true, false},
		{";q=1", false, false},
		{"gzip;", true, false},
		{"gzip;x", true, false},
		{"\xff\x00", false, false},
	} {
		gzipOK, zstdOK := proxy.AcceptedEncodings([]byte(row.field))
		require.Equal(t, row.gzip, gzipOK, "gzip in %q", row.field)
		require.Equal(t, row.zstd, zstdOK, "zstd in %q", row.field)
	}
}

// FuzzAcceptedEncodings: a coding is accepted only if it is named, or a star stands for it.
func FuzzAcceptedEncodings(f *testing.F) {
	for _, seed := range []string{"", "gzip", "gzip;q=0, zstd;q=0.5", "*;q=0", ",;=,", "x-gzip;Q=0.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		gzipOK, zstdOK := proxy.AcceptedEncodings([]byte(field))
		lower := strings.ToLower(field)
		require.False(t, gzipOK && !strings.Contains(lower, "gzip") && !strings.Contains(field, "*"))
		require.False(t, zstdOK && !strings.Contains(lower, "zstd"))
		reordered, _ := proxy.AcceptedEncodings([]byte(field + ",br"))
		require.Equal(t, gzipOK, reordered, "what is not known changes nothing")
		none, noneZstd := proxy.AcceptedEncodings([]byte(field + ",gzip;q=0,zstd;q=0"))
		require.False(t, none || noneZstd, "the last word counts")
	})
}

// TestAnswerFieldsArriveOneByOne reads an answer off the wire: its fields leave the server as one block.
func TestAnswerFieldsArriveOneByOne(t *testing.T) {
	fields := []proxy.Header{
		{Name: "Content-Type", Value: "application/json"}, {Name: "Vary", Value: "Origin"}, {Name: "Allow", Value: "GET, HEAD"},
		{Name: "Etag", Value: `"tag"`}, {Name: "X-Frame-Options", Value: "DENY"},
	}
	for _, body := range []string{"", "hello"} {
		a := proxy.NewAnswer(200, fields, []byte(body), false)
		var ctx fasthttp.RequestCtx
		for range 2 { // the second time into a header that was used
			a.Write(&ctx)
			ctx.Response.Header.Set("Expires", "never")
			var wire bytes.Buffer
			_, err := ctx.Response.WriteTo(&wire)
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(&wire), nil)
			require.NoError(t, err)
			for _, f := range append(fields, proxy.Header{Name: "Expires", Value: "never"}) {
				require.Equal(t, []string{f.Value}, resp.Header.Values(f.Name), f.Name)
			}
			require.Len(t, resp.Header, len(fields)+3, "and Date and Content-Length: %v", resp.Header)
		}
	}
	require.Panics(t, func() { proxy.NewAnswer(200, []proxy.Header{{Name: "Vary", Value: "a\r\nb"}}, nil, false) })
}
