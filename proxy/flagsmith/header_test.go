package flagsmith_test

import (
	"maps"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// preflightHeader is all that a preflight is answered with (spec 1.7).
var preflightHeader = http.Header{
	"Access-Control-Allow-Origin":   {"*"},
	"Access-Control-Expose-Headers": {"Retry-After, ETag, X-Flagsmith-Document-Updated-At"},
	"Access-Control-Allow-Headers": {"accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, " +
		"x-requested-with, sentry-trace, traceparent, tracestate, baggage, x-environment-key, x-e2e-test-auth-token, " +
		"flagsmith-application-name, flagsmith-application-version, flagsmith-sdk-user-agent, if-none-match, if-modified-since"},
	"Access-Control-Allow-Methods": {"DELETE, GET, OPTIONS, PATCH, POST, PUT"},
	"Access-Control-Max-Age":       {"86400"},
	"Vary":                         {"Origin"},
	"Content-Length":               {"0"},
}

// requireHeader compares all of an answer's header, and that a preflight has no body.
func requireHeader(t *testing.T, want http.Header, a *answer) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, want, a.header)
	require.Empty(t, a.body)
}

// TestHeaderIsComplete holds the complete header of each kind of answer (spec 1.5): nothing is missing and nothing else is there.
func TestHeaderIsComplete(t *testing.T) {
	t.Parallel()
	const (
		varyFlags    = "X-Environment-Key, Accept-Encoding, Origin"
		varyIdentity = "Accept, X-Environment-Key, Origin"
		varyDocument = "Accept, X-Environment-Key, Accept-Encoding, Origin"
		varyOther    = "Accept, Origin"

		allowGet   = "GET, HEAD, OPTIONS"
		allowBoth  = "GET, POST, HEAD, OPTIONS"
		allowPost  = "POST, OPTIONS"
		allowPut   = "PUT, OPTIONS"
		updated    = "X-Flagsmith-Document-Updated-At"
		updatedAt  = "1772359200.123456"
		lastChange = "Sun, 01 Mar 2026 10:00:00 GMT"
	)
	r := newRig(t, shop())
	etag := r.get("/api/v1/environment-document/", withKey(serverKey)).header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{32}"$`, etag, "a strong validator")
	trait := paths[3].body
	for _, row := range []struct {
		name, method, path, body string
		how                      []sending
		status                   int
		contentType, vary, allow string
		more                     http.Header
	}{
		{"flags", "GET", "/api/v1/flags/", "", nil, 200, "application/json", varyFlags, allowGet, http.Header{updated: {updatedAt}}},
		{"flags HEAD", "HEAD", "/api/v1/flags/", "", nil, 200, "application/json", varyFlags, allowGet, http.Header{updated: {updatedAt}}},
		{"one flag", "GET", "/api/v1/flags/?feature=checkout", "", nil, 200, "application/json", varyFlags, allowGet, nil},
		{"one flag that is not there", "GET", "/api/v1/flags/?feature=nope", "", nil, 404, "application/json", varyFlags, allowGet, nil},
		{"flags without a key", "GET", "/api/v1/flags/", "", []sending{withKey("")}, 403, "application/json", varyFlags, allowGet, nil},
		{"flags POST", "POST", "/api/v1/flags/", "", nil, 405, "application/json", varyFlags, allowGet, nil},

		{"identity", "GET", "/api/v1/identities/?identifier=bob", "", nil, 200, "application/json", varyIdentity, allowBoth, http.Header{updated: {updatedAt}}},
		{"identity HEAD", "HEAD", "/api/v1/identities/?identifier=bob", "", nil, 200, "application/json", varyIdentity, allowBoth, http.Header{updated: {updatedAt}}},
		{"one flag of an identity", "GET", "/api/v1/identities/?identifier=bob&feature=checkout", "", nil, 200, "application/json", varyIdentity, allowBoth, http.Header{updated: {updatedAt}}},
		{"unknown flag of an identity", "GET", "/api/v1/identities/?identifier=bob&feature=nope", "", nil, 404, "application/json", varyIdentity, allowBoth, http.Header{updated: {updatedAt}}},
		{"no identifier", "GET", "/api/v1/identities/", "", nil, 200, "application/json", varyIdentity, allowBoth, nil},
		{"identify", "POST", "/api/v1/identities/", `{"identifier":"bob"}`, nil, 200, "application/json", varyIdentity, allowBoth, http.Header{updated: {updatedAt}}},
		{"identify badly", "POST", "/api/v1/identities/", `[]`, nil, 400, "application/json", varyIdentity, allowBoth, nil},

		{"document", "GET", "/api/v1/environment-document/", "", []sending{withKey(serverKey)}, 200, "application/json", varyDocument, allowGet,
			http.Header{updated: {updatedAt}, "Etag": {etag}, "Last-Modified": {lastChange}}},
		{"document HEAD", "HEAD", "/api/v1/environment-document/", "", []sending{withKey(serverKey)}, 200, "application/json", varyDocument, allowGet,
			http.Header{updated: {updatedAt}, "Etag": {etag}, "Last-Modified": {lastChange}}},
		{"document not modified", "GET", "/api/v1/environment-document/", "", []sending{withKey(serverKey), withHeader("If-None-Match", etag)}, 304, "", varyDocument, allowGet,
			http.Header{"Etag": {etag}, "Last-Modified": {lastChange}}},
		{"document precondition", "GET", "/api/v1/environment-document/", "", []sending{withKey(serverKey), withHeader("If-Match", `"other"`)}, 412, "application/json", varyDocument, allowGet, nil},
		{"document for a client key", "GET", "/api/v1/environment-document/", "", nil, 403, "application/json", varyDocument, allowGet, nil},

		{"trait", "POST", "/api/v1/traits/", trait, nil, 200, "application/json", varyOther, allowPost, nil},
		{"traits", "PUT", "/api/v1/traits/bulk/", "[" + trait + "]", nil, 200, "application/json", varyOther, allowPut, nil},
		{"increment", "POST", "/api/v1/traits/increment-value/", `{"trait_key":"n","identifier":"bob","increment_by":1}`, nil, 200, "application/json", varyOther, allowPost, nil},
		{"bulk identities", "POST", "/api/v1/bulk-identities/", `{"data":[]}`, nil, 202, "application/json", varyOther, "POST, PUT, OPTIONS", nil},
		{"analytics", "POST", "/api/v1/analytics/flags/", `{"checkout":1}`, nil, 200, "", varyOther, allowPost, nil},
		{"analytics v2", "POST", "/api/v2/analytics/flags/", `{"evaluations":[]}`, nil, 204, "", varyOther, allowPost, nil},
		{"telemetry", "POST", "/api/v1/analytics/telemetry/", telemetry, nil, 201, "application/json", varyOther, allowPost, nil},
		{"variants", "GET", "/api/v1/flags/102/multivariate-options/", "", nil, 200, "application/json", varyOther, allowGet, nil},

		{"liveness", "GET", "/health/liveness/", "", nil, 200, "application/json", varyOther, allowGet, nil},
		{"readiness", "GET", "/health/readiness/", "", nil, 200, "text/html; charset=utf-8", varyOther, allowGet, nil},
		{"version", "GET", "/version/", "", nil, 200, "application/json", varyOther, allowGet, nil},
		{"unknown path", "GET", "/nope", "", nil, 404, "application/json", varyOther, "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := r.send(row.method, row.path, row.body, row.how...)
			require.Equal(t, row.status, a.status, a.body)
			requireFreshDates(t, a.header)
			if row.status != http.StatusNoContent && row.status != http.StatusNotModified {
				requireLength(t, row.method, a)
			}
			want := maps.Clone(row.more)
			if want == nil {
				want = make(http.Header)
			}
			for name, value := range onEveryAnswer {
				want.Set(name, value)
			}
			want.Set("Vary", row.vary)
			if row.contentType != "" {
				want.Set("Content-Type", row.contentType)
			}
			if row.allow != "" {
				want.Set("Allow", row.allow)
			}
			for _, name := range append(volatile, "Content-Length") {
				a.header.Del(name)
			}
			require.Equal(t, want, a.header)
		})
	}
}

// requireFreshDates checks Date and Expires, which say now.
func requireFreshDates(t *testing.T, h http.Header) {
	t.Helper()
	for _, name := range volatile {
		at, err := http.ParseTime(h.Get(name))
		require.NoError(t, err, name)
		require.WithinDuration(t, time.Now(), at, 5*time.Second, name)
	}
}

// requireLength checks the length of an answer: of a HEAD request it is that of the answer to GET.
func requireLength(t *testing.T, method string, a *answer) {
	t.Helper()
	length, err := strconv.Atoi(a.header.Get("Content-Length"))
	require.NoError(t, err)
	if method == http.MethodHead {
		require.Positive(t, length)
		require.Empty(t, a.body)
		return
	}
	require.Len(t, a.body, length)
}

func TestUpdatedAtIsTheTextOfAPythonFloat(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(1772359200, 0), "1772359200.0"},
		{time.Unix(1772359200, 100_000_000), "1772359200.1"},
		{time.Unix(1772359200, 123_456_000), "1772359200.123456"},
		{time.Unix(1772359200, 123_456_999), "1772359200.123456"},
		{time.Unix(1772359200, 1_000), "1772359200.000001"},
	} {
		r := newHandlerRig(t, shop(func(d *engine.Document) { d.UpdatedAt = row.at.UTC() }))
		require.Equal(t, row.want, r.get("/api/v1/flags/").header.Get("X-Flagsmith-Document-Updated-At"))
	}
}

func TestBothFormsOfAPathAreServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for _, p := range []struct{ method, path, body, key string }{
		{"GET", "/api/v1/flags", "", clientKey},
		{"GET", "/api/v1/identities?identifier=bob", "", clientKey},
		{"POST", "/api/v1/identities", `{"identifier":"bob","traits":[{"trait_key":"a","trait_value":1}]}`, clientKey},
		{"GET", "/api/v1/environment-document", "", serverKey},
		{"POST", "/api/v1/traits", paths[3].body, clientKey},
		{"PUT", "/api/v1/traits/bulk", `[]`, clientKey},
		{"POST", "/api/v1/analytics/flags", `{}`, clientKey},
		{"GET", "/version", "", ""},
		{"GET", "/health", "", ""},
		{"GET", "/health/", "", ""},
		{"GET", "/healthcheck", "", ""},
		{"GET", "/health/liveness", "", ""},
		{"GET", "/health/readiness", "", ""},
	} {
		a := r.send(p.method, p.path, p.body, withKey(p.key))
		require.Equal(t, http.StatusOK, a.status, "%s %s: %s", p.method, p.path, a.body)
	}
}

// A missing Origin gets no CORS field, so that what is cached for nobody is not taken for an answer to a browser.
func TestWithoutOriginThereIsNoCORS(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for name := range r.get("/api/v1/flags/").header {
		require.NotContains(t, name, "Access-Control")
	}
}
