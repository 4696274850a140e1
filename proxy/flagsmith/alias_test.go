package flagsmith_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// scribble overwrites the memory of a request, as fasthttp's next request on the connection would. What was kept of it without a
// copy shows.
func scribble(ctx *fasthttp.RequestCtx) {
	h := &ctx.Request.Header
	memory := [][]byte{ctx.Request.Body(), h.Peek("X-Environment-Key"), h.ContentType(), h.Host(), h.Method(), h.RequestURI(), ctx.Path(), ctx.URI().QueryString()}
	for _, value := range ctx.QueryArgs().All() {
		memory = append(memory, value)
	}
	for _, b := range memory {
		for i := range b {
			b[i] = 0xCC
		}
	}
}

// TestNothingKeptAliasesTheRequest: bytes of a request die when its handler returns.
func TestNothingKeptAliasesTheRequest(t *testing.T) {
	r := newHandlerRig(t, shop())
	for _, request := range []struct{ method, target, body string }{
		{"GET", "/api/v1/flags/?feature=checkout", ""},
		{"GET", "/api/v1/identities/?identifier=get-created", ""},
		{"GET", "/api/v1/identities/?identifier=get-transient&transient=1", ""},
		{"GET", "/api/v1/flags/old-flags", ""},
		{"GET", "/api/v1/identities/old-profile/", ""},
		{"POST", "/api/v1/identities/old-trait/traits/old-key", `{"trait_value":"old value"}`},
		{"POST", "/api/v1/identities/", `{"identifier":"posted","traits":[{"trait_key":"first key","trait_value":"first value"},{"trait_key":"list","trait_value":["list value"]}]}`},
		{"POST", "/api/v1/identities/", `{"identifier":"posted","traits":[{"trait_key":"first key","trait_value":"changed value"},{"trait_key":"second key","trait_value":"second value"},{"trait_key":"list","trait_value":null}]}`},
		{"POST", "/api/v1/identities/", `{"identifier":"escaped \u00fc","traits":[{"trait_key":"escaped \u00fc","trait_value":"escaped \u00fc"}]}`},
		{"POST", "/api/v1/identities/", `{"identifier":"posted","transient":true,"traits":[{"trait_key":"passing","trait_value":"passing"}]}`},
		{"POST", "/api/v1/identities/", `{"traits":[{"trait_key":"passing","trait_value":"passing"}]}`},
		{"POST", "/api/v1/traits/", `{"identity":{"identifier":"single"},"trait_key":"single key","trait_value":"single value"}`},
		{"PUT", "/api/v1/traits/bulk/", `[{"identity":{"identifier":"bulk"},"trait_key":"bulk key","trait_value":"bulk value"},{"identity":{"identifier":"bulk"},"trait_key":"bulk gone"}]`},
		{"POST", "/api/v1/traits/increment-value/", `{"identifier":"counted","trait_key":"count key","increment_by":3}`},
		{"POST", "/api/v1/bulk-identities/", `{"data":[{"identifier":"many","traits":[{"trait_key":"many key","trait_value":"many value"}]}]}`},
		{"POST", "/api/v1/analytics/flags/", `{"checkout":1}`},
		{"POST", "/api/v2/analytics/flags/", `{"evaluations":[{"feature_name":"beta","enabled_when_evaluated":true,"count":2}]}`},
	} {
		c := r.newCall(request.method, request.target, request.body, strings.Clone(clientKey))
		c.do()
		require.Less(t, c.ctx.Response.StatusCode(), 300, "%s %s: %s", request.method, request.target, c.ctx.Response.Body())
		scribble(&c.ctx)
		// The parser works on a copy of the body, in a workspace that the next request overwrites.
		r.newCall("POST", "/api/v1/identities/", `{"`+strings.Repeat("\\", 4000)+`":"`+strings.Repeat("\xc3\x9c", 2000)+`"}`, clientKey).do()
	}

	// What the writer was given, and keeps.
	want := map[string][]string{
		"get-created": {}, "old-flags": {}, "old-profile": {}, "old-trait": {`old-key="old value"`},
		"posted": {`first key="changed value"`, `second key="second value"`}, "escaped ü": {`escaped ü="escaped ü"`},
		"single": {`single key="single value"`}, "bulk": {`bulk key="bulk value"`}, "counted": {"count key=3"}, "many": {`many key="many value"`},
	}
	require.Equal(t, len(want), r.people.count())
	for _, w := range r.people.written() {
		require.Contains(t, want, w.Identifier)
		for _, key := range w.Delete {
			require.Contains(t, []string{"list", "bulk gone"}, key)
		}
	}
	for identifier, traits := range want {
		stored := r.storedTraits(identifier)
		for i := range stored {
			_, stored[i], _ = strings.Cut(stored[i], " ") // the id
		}
		require.Equal(t, traits, stored, identifier)
		// What memory holds: it must be found under its name, and look as it is stored.
		c := r.newCall("GET", "/api/v1/identities/", "", clientKey)
		c.ctx.QueryArgs().Set("identifier", identifier)
		c.ctx.Request.SetRequestURI("/api/v1/identities/?" + c.ctx.QueryArgs().String())
		c.do()
		first := string(c.ctx.Response.Body())
		require.NotContains(t, first, `\ufffd`)
		r.identities.Remove(identityID(identifier))
		c.do()
		require.Equal(t, string(c.ctx.Response.Body()), first, identifier)
	}
	for held := range r.identities.All() {
		require.NotContains(t, held.ID, "\xcc")
	}
	for held := range r.keys.All() {
		require.Equal(t, clientKey, held.ID)
	}
	require.Equal(t, map[string]int64{"12 checkout": 1, "12 beta": 2}, r.counts.take())
}

// Workspaces are reused: what one request left in one must not show in the next, nor an answer change after it was made.
func TestWorkspacesForgetTheirRequest(t *testing.T) {
	r := newHandlerRig(t, shop())
	full := r.newCall("POST", "/api/v1/identities/", `{"identifier":"full","transient":true,"traits":[{"trait_key":"plan","trait_value":"premium"},{"trait_key":"b","trait_value":2}]}`, clientKey)
	full.do()
	answer := string(full.ctx.Response.Body())
	require.Contains(t, answer, "premium")
	for _, body := range []string{`{"identifier":"bare"}`, `{"traits":[]}`, `{}`, `{"identifier":"bare","transient":true}`, `[`, `{"traits":[{}]}`} {
		bare := r.newCall("POST", "/api/v1/identities/", body, clientKey)
		bare.do()
		require.NotContains(t, string(bare.ctx.Response.Body()), "premium", body)
		require.Equal(t, answer, string(full.ctx.Response.Body()))
	}
}
