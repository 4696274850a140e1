package flagsmith_test

import (
	"net/http"
	"strings"
	"testing"
)

// What goes wrong in a request, and the bytes that answer it. The golden files are the contract (spec/flagsmith-sdk-api.md,
// sections 1 and 2): read a change of one as a change of the API.

// paths are the endpoints, each with the methods that it has and a good body.
var paths = []struct {
	path, body string
	methods    []string
}{
	{"/api/v1/flags/", "", []string{"GET"}},
	{"/api/v1/identities/", `{"identifier":"bob"}`, []string{"GET", "POST"}},
	{"/api/v1/environment-document/", "", []string{"GET"}},
	{"/api/v1/traits/", `{"identity":{"identifier":"bob"},"trait_key":"plan","trait_value":"free"}`, []string{"POST"}},
	{"/api/v1/traits/bulk/", `[]`, []string{"PUT"}},
	{"/api/v1/traits/increment-value/", `{"trait_key":"visits","identifier":"bob","increment_by":1}`, []string{"POST"}},
	{"/api/v1/bulk-identities/", `{"data":[]}`, []string{"POST", "PUT"}},
	{"/api/v1/analytics/flags/", `{}`, []string{"POST"}},
	{"/api/v2/analytics/flags/", `{"evaluations":[]}`, []string{"POST"}},
	{"/api/v1/flags/102/multivariate-options/", "", []string{"GET"}},
	{"/api/v1/flags/bob", "", []string{"GET"}},
	{"/api/v1/identities/bob/", "", []string{"GET"}},
	{"/api/v1/identities/bob/traits/plan", `{"trait_value":"free"}`, []string{"POST"}},
}

func TestGoldenKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	var exchanges []exchange
	for _, p := range paths {
		method := p.methods[0]
		exchanges = append(exchanges,
			exchange{"no key: " + p.path, method, p.path, p.body, []sending{without("X-Environment-Key")}},
			exchange{"wrong key: " + p.path, method, p.path, p.body, []sending{withKey("nope")}},
			exchange{"wrong server key: " + p.path, method, p.path, p.body, []sending{withKey("ser.nope")}})
	}
	exchanges = append(exchanges,
		exchange{"empty key", "GET", "/api/v1/flags/", "", []sending{withKey("")}},
		exchange{"key longer than any", "GET", "/api/v1/flags/", "", []sending{withKey(strings.Repeat("k", 101))}},
		exchange{"client key where a server key is needed", "GET", "/api/v1/environment-document/", "", nil},
		exchange{"key is checked before the method", "POST", "/api/v1/flags/", "", []sending{withKey("nope")}},
		exchange{"key is checked before the body", "POST", "/api/v1/identities/", "{", []sending{withKey("nope")}},
		exchange{"key is checked before conditions", "GET", "/api/v1/environment-document/", "", []sending{
			withKey("ser.nope"), withHeader("If-Modified-Since", "Sun, 01 Mar 2026 10:00:00 GMT")}},
		exchange{"key in the query is no key", "GET", "/api/v1/flags/?environment_key=" + clientKey, "", []sending{without("X-Environment-Key")}},
		exchange{"key as a bearer token is no key", "GET", "/api/v1/flags/", "", []sending{
			without("X-Environment-Key"), withHeader("Authorization", "Bearer "+clientKey)}},
		exchange{"telemetry needs no key", "POST", "/api/v1/analytics/telemetry/", `{}`, []sending{without("X-Environment-Key")}})
	requireGolden(t, r, "keys.txt", exchanges)
}

func TestGoldenOlderRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	long := strings.Repeat("x", 2001)
	requireGolden(t, r, "older-routes.txt", []exchange{
		{"variants of an unknown feature", "GET", "/api/v1/flags/999/multivariate-options/", "", nil},
		{"variants of a feature for server keys only", "GET", "/api/v1/flags/103/multivariate-options/", "", nil},
		{"variants of an id that no integer holds", "GET", "/api/v1/flags/99999999999999999999/multivariate-options/", "", nil},
		{"unknown feature of an identity", "GET", "/api/v1/flags/bob?feature=nope", "", nil},
		{"flags of an identifier of 2001 characters", "GET", "/api/v1/flags/" + long, "", nil},
		{"profile of an identifier of 2001 characters", "GET", "/api/v1/identities/" + long + "/", "", nil},
		{"trait without value", "POST", "/api/v1/identities/bob/traits/plan", `{}`, nil},
		{"trait of null", "POST", "/api/v1/identities/bob/traits/plan", `{"trait_value":null}`, nil},
		{"trait in a list", "POST", "/api/v1/identities/bob/traits/plan", `[]`, nil},
		{"trait of 2001 characters", "POST", "/api/v1/identities/bob/traits/plan", `{"trait_value":"` + long + `"}`, nil},
		{"trait above 32 bits", "POST", "/api/v1/identities/bob/traits/plan", `{"trait_value":2147483648}`, nil},
		{"trait key of 201 characters", "POST", "/api/v1/identities/bob/traits/" + long[:201], `{"trait_value":1}`, nil},
		{"trait of an identifier of 2001 characters", "POST", "/api/v1/identities/" + long + "/traits/plan", `{"trait_value":1}`, nil},
	})
}

func TestGoldenFeatureNotFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(hidesDisabled(true, nil)))
	requireGolden(t, r, "feature-not-found.txt", []exchange{
		{"unknown feature", "GET", "/api/v1/flags/?feature=nope", "", nil},
		{"feature for server keys only", "GET", "/api/v1/flags/?feature=secret_rate", "", nil},
		{"disabled feature that is hidden", "GET", "/api/v1/flags/?feature=old_menu", "", nil},
		{"disabled feature that is hidden from server keys too", "GET", "/api/v1/flags/?feature=old_menu", "", []sending{withKey(serverKey)}},
		{"unknown feature of an identity", "GET", "/api/v1/identities/?identifier=bob&feature=nope", "", nil},
		{"disabled feature of an identity", "GET", "/api/v1/identities/?identifier=bob&feature=old_menu", "", nil},
	})
}

func TestGoldenMethods(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	var exchanges []exchange
	for _, p := range paths {
		key := clientKey
		if strings.Contains(p.path, "document") {
			key = serverKey
		}
		allowed := strings.Join(p.methods, " ")
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"} {
			if strings.Contains(allowed, method) || method == "HEAD" && strings.Contains(allowed, "GET") {
				continue
			}
			exchanges = append(exchanges, exchange{method + " " + p.path, method, p.path, "", []sending{withKey(key)}})
		}
	}
	exchanges = append(exchanges,
		exchange{"OPTIONS needs a key", "OPTIONS", "/api/v1/flags/", "", []sending{without("X-Environment-Key")}},
		exchange{"OPTIONS of telemetry needs none", "OPTIONS", "/api/v1/analytics/telemetry/", "", []sending{without("X-Environment-Key")}},
		exchange{"HEAD of a feature", "HEAD", "/api/v1/flags/?feature=checkout", "", nil},
		exchange{"HEAD of an unknown feature", "HEAD", "/api/v1/flags/?feature=nope", "", nil},
		exchange{"HEAD without a key", "HEAD", "/api/v1/flags/", "", []sending{without("X-Environment-Key")}},
		exchange{"POST of the health report", "POST", "/health", "", nil},
		exchange{"POST of the version", "POST", "/version/", "", nil},
		exchange{"POST of the stream", "POST", "/sse/environments/" + clientKey + "/stream", "", nil},
		exchange{"HEAD of the stream", "HEAD", "/sse/environments/" + clientKey + "/stream", "", nil})
	requireGolden(t, r, "methods.txt", exchanges)
}

func TestGoldenNegotiation(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	var exchanges []exchange
	for _, accept := range []string{"text/html", "application/xml", "image/png, text/plain;q=0.5", "nonsense"} {
		for _, p := range []string{"/api/v1/flags/?feature=checkout", "/api/v1/identities/?identifier=bob&feature=checkout"} {
			exchanges = append(exchanges, exchange{"Accept: " + accept + " of " + p, "GET", p, "", []sending{withHeader("Accept", accept)}})
		}
	}
	for _, accept := range []string{"*/*", "application/*", "application/json; indent=4", "text/html, application/json;q=0.9", "text/html,*/*;q=0.8", "Application/JSON"} {
		exchanges = append(exchanges, exchange{"Accept: " + accept, "GET", "/api/v1/flags/?feature=checkout", "", []sending{withHeader("Accept", accept)}})
	}
	for _, format := range []string{"json", "api", "xml", "html"} {
		for _, p := range []string{"/api/v1/flags/?feature=checkout&format=", "/api/v1/identities/?identifier=bob&feature=checkout&format="} {
			exchanges = append(exchanges, exchange{"format: " + p + format, "GET", p + format, "", nil})
		}
	}
	exchanges = append(exchanges,
		exchange{"Accept is checked before the key", "GET", "/api/v1/flags/", "", []sending{without("X-Environment-Key"), withHeader("Accept", "text/html")}},
		exchange{"format is checked before the key", "GET", "/api/v1/flags/?format=xml", "", []sending{without("X-Environment-Key")}})
	requireGolden(t, r, "negotiation.txt", exchanges)
}

func TestGoldenPaths(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	var exchanges []exchange
	for _, p := range []string{
		"/", "/api/", "/api/v1/", "/api/v1/nope/", "/api/v2/flags/", "/api/v1/flagsx", "/api/v1/flags/a/b", "/api/v1/flags/a%20b",
		"/api/v1/identities/a/b", "/api/v1/identities/a/traits/", "/api/v1/environments/", "/favicon.ico", "/api/v1/flags/%00",
		"/sse/environments/", "/sse/environments//stream", "/sse/environments/nope/stream", "/sse/environments/" + clientKey,
		"/sse/environments/" + serverKey + "/stream", "/sse/environments/a/b/stream",
	} {
		exchanges = append(exchanges, exchange{p, "GET", p, "", nil})
	}
	exchanges = append(exchanges,
		exchange{"no key", "GET", "/api/v1/nope/", "", []sending{without("X-Environment-Key")}},
		exchange{"POST", "POST", "/api/v1/nope/", `{}`, nil},
		exchange{"browser asks", "GET", "/api/v1/nope/", "", []sending{withHeader("Accept", "text/html"), withHeader("Origin", "https://shop.test")}})
	requireGolden(t, r, "paths.txt", exchanges)
}

func TestGoldenCORS(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	origin := withHeader("Origin", "https://shop.test")
	exchanges := []exchange{
		{"flag", "GET", "/api/v1/flags/?feature=checkout", "", []sending{origin}},
		{"identity", "GET", "/api/v1/identities/?identifier=bob&feature=checkout", "", []sending{origin}},
		{"wrong key", "GET", "/api/v1/flags/", "", []sending{origin, withKey("nope")}},
		{"wrong method", "POST", "/api/v1/flags/", "", []sending{origin}},
		{"bad body", "POST", "/api/v1/identities/", "{", []sending{origin}},
		{"analytics", "POST", "/api/v1/analytics/flags/", "{}", []sending{origin}},
		{"analytics v2", "POST", "/api/v2/analytics/flags/", `{"evaluations":[]}`, []sending{origin}},
		{"liveness", "GET", "/health/liveness", "", []sending{origin}},
		{"OPTIONS that is no preflight", "OPTIONS", "/api/v1/flags/", "", []sending{origin}},
	}
	requireGolden(t, r, "cors.txt", exchanges)
}

func TestGoldenPreflight(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for _, path := range []string{
		"/api/v1/flags/", "/api/v1/identities", "/api/v1/environment-document/", "/api/v1/traits/", "/api/v1/flags/bob", "/api/v1/nope/",
		"/sse/environments/" + clientKey + "/stream", "/health", "/version/",
	} {
		a := r.send("OPTIONS", path, "", without("X-Environment-Key"), withHeader("Origin", "https://shop.test"),
			withHeader("Access-Control-Request-Method", "GET"), withHeader("Access-Control-Request-Headers", "x-environment-key,flagsmith-sdk-user-agent"))
		if path == "/api/v1/flags/" {
			var text strings.Builder
			writeAnswer(&text, exchange{method: http.MethodOptions}, a, "")
			requireGoldenText(t, "preflight.txt", text.String())
		}
		for _, name := range volatile {
			a.header.Del(name)
		}
		requireHeader(t, preflightHeader, a)
	}
}
