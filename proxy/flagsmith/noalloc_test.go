//go:build !race

package flagsmith_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// TestHotPathNoAlloc holds the number of allocations of each request that comes often, from the router to the finished response, in
// a context that is reused as the server reuses it.
func TestHotPathNoAlloc(t *testing.T) {
	r := newHandlerRig(t, shop())
	post := `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"age","trait_value":37},` +
		`{"trait_key":"score","trait_value":1.5},{"trait_key":"vip","trait_value":true},{"trait_key":"größe","trait_value":"ü"},{"trait_key":"none","trait_value":null}]}`
	create := r.newCall("POST", "/api/v1/identities/", post, serverKey)
	create.do()
	require.Equal(t, http.StatusOK, create.ctx.Response.StatusCode(), "%s", create.ctx.Response.Body())
	document := r.newCall("GET", documentPath, "", serverKey)
	document.do()
	etag := etagOf(t, &document.ctx.Response)

	for _, row := range []struct {
		name, method, target, body, key string
		header                          map[string]string
		want                            int
		allocs                          float64
	}{
		{"flags", "GET", "/api/v1/flags/", "", clientKey, nil, 200, 0},
		{"flags for a server key", "GET", "/api/v1/flags/", "", serverKey, nil, 200, 0},
		{"flags compressed", "GET", "/api/v1/flags/", "", clientKey, map[string]string{"Accept-Encoding": "gzip, deflate, br, zstd"}, 200, 0},
		{"flags for a browser", "GET", "/api/v1/flags/", "", clientKey, map[string]string{"Origin": "https://shop.test", "Accept": "*/*"}, 200, 0},
		{"document", "GET", documentPath, "", serverKey, nil, 200, 0},
		{"document compressed", "GET", documentPath, "", serverKey, map[string]string{"Accept-Encoding": "gzip"}, 200, 0},
		{"document not modified", "GET", documentPath, "", serverKey, map[string]string{"If-None-Match": etag}, 304, 0},
		{"document not modified, by date", "GET", documentPath, "", serverKey, map[string]string{"If-Modified-Since": "Sun, 01 Mar 2026 10:00:00 GMT"}, 304, 0},
		{"document not modified, in a list", "GET", documentPath, "", serverKey, map[string]string{"If-None-Match": `"a", W/` + etag, "Accept-Encoding": "zstd"}, 304, 0},
		{"identity GET", "GET", "/api/v1/identities/?identifier=bob", "", clientKey, nil, 200, 0},
		{"identity GET transient", "GET", "/api/v1/identities/?identifier=bob&transient=true", "", clientKey, nil, 200, 0},
		{"identity POST, traits unchanged", "POST", "/api/v1/identities/", post, clientKey, nil, 200, 0},
		{"identity POST, no traits", "POST", "/api/v1/identities/", `{"identifier":"bob"}`, serverKey, nil, 200, 0},
		{"identity POST, transient", "POST", "/api/v1/identities/", `{"identifier":"bob","transient":true,"traits":[{"trait_key":"plan","trait_value":"free"}]}`, clientKey, nil, 200, 0},
		{"identity POST, transient trait", "POST", "/api/v1/identities/", `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"free","transient":true}]}`, clientKey, nil, 200, 1},
		{"wrong key", "GET", "/api/v1/flags/", "", "nope", nil, 403, 0},
		{"no key", "GET", "/api/v1/flags/", "", "", nil, 403, 0},
		{"preflight", "OPTIONS", "/api/v1/flags/", "", "", map[string]string{"Access-Control-Request-Method": "GET", "Origin": "https://shop.test"}, 200, 0},
		{"analytics", "POST", "/api/v1/analytics/flags/", `{"checkout":1}`, clientKey, nil, 200, 2},
		{"liveness", "GET", "/health/liveness/", "", "", nil, 200, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := r.newCall(row.method, row.target, row.body, row.key)
			for name, value := range row.header {
				c.ctx.Request.Header.Set(name, value)
			}
			c.do()
			require.Equal(t, row.want, c.ctx.Response.StatusCode(), "%s", c.ctx.Response.Body())
			require.LessOrEqual(t, testing.AllocsPerRun(500, c.do), row.allocs)
		})
	}
}

// etagOf reads the ETag off the wire: the header fields of an answer are one to fasthttp.
func etagOf(t *testing.T, r *fasthttp.Response) string {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(r.String())), nil)
	require.NoError(t, err)
	return resp.Header.Get("ETag")
}
