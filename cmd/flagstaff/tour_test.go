package main_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// TestTour asks a server with the sample project for all that an SDK asks for.
func TestTour(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		n, _ := seeded(t, databaseURL)
		for name, part := range map[string]func(*testing.T, *client){
			"flags": tourFlags, "identities": tourIdentities, "traits": tourTraits, "document": tourDocument,
			"encodings": tourEncodings, "keys": tourKeys, "the rest": tourRest,
		} {
			t.Run(name, func(t *testing.T) { part(t, newClient(t, n.address, 0)) })
		}
	})
}

func tourFlags(t *testing.T, c *client) {
	client, server := c.flags(clientKey), c.flags(serverKey)
	require.Len(t, server, len(client)+1)
	flagNamed(t, server, "fraud_score_limit") // for server-side keys only
	require.Equal(t, "Free delivery from 50", flagNamed(t, client, "banner_text").Value)
	require.EqualValues(t, "24", flagNamed(t, client, "items_per_page").Value)
	require.Equal(t, true, flagNamed(t, client, "reviews_moderated").Value)
	require.Nil(t, flagNamed(t, client, "dark_mode").Value)
	one := decoded[flagView](t, c.get("/api/v1/flags/?feature=banner_text", clientKey).ok(t))
	require.Equal(t, flagNamed(t, client, "banner_text"), one)
	missing := c.get("/api/v1/flags/?feature=nobody", clientKey)
	require.Equal(t, http.StatusNotFound, missing.status)
	require.JSONEq(t, `{"detail":"Given feature not found"}`, missing.body)
	require.Equal(t, http.StatusOK, c.get("/api/v1/flags", clientKey).status, "without the slash, and without a redirect")
}

func tourIdentities(t *testing.T, c *client) {
	plain := c.identity(clientKey, "zoe")
	require.Equal(t, "Free delivery from 50", flagNamed(t, plain.Flags, "banner_text").Value)
	premium := decoded[identityView](t, c.post("/api/v1/identities/", clientKey, strings.ReplaceAll(annIsPremium, "ann", "zoe")).ok(t))
	require.Equal(t, "Thank you for being premium", flagNamed(t, premium.Flags, "banner_text").Value, "the trait puts her into a segment")
	require.EqualValues(t, "96", flagNamed(t, premium.Flags, "items_per_page").Value)
	again := c.identity(clientKey, "zoe")
	require.Equal(t, `"premium"`, again.trait("plan"), "and it is stored")
	require.Equal(t, premium.Flags, again.Flags)
	override := c.identity(clientKey, "demo@example.com")
	require.Equal(t, "Hello from an identity override", flagNamed(t, override.Flags, "banner_text").Value)
	variant := flagNamed(t, again.Flags, "button_colour")
	require.NotNil(t, variant.Variant)
	require.Equal(t, map[string]any{"control": "blue", "green": "green", "orange": "orange"}[*variant.Variant], variant.Value)
	c.post("/api/v1/identities/", clientKey, `{"identifier":"zoe","traits":[{"trait_key":"plan","trait_value":null}]}`).ok(t)
	require.Empty(t, c.identity(clientKey, "zoe").trait("plan"), "null takes a trait away")
}

func tourTraits(t *testing.T, c *client) {
	body := traitJSON("tom", "plan", `"premium"`)
	require.JSONEq(t, body, c.post("/api/v1/traits/", clientKey, body).ok(t))
	bulk := "[" + traitJSON("tom", "age", "37") + "," + traitJSON("tim", "score", "1.0") + "]"
	require.JSONEq(t, bulk, c.do(request{method: http.MethodPut, path: "/api/v1/traits/bulk/", key: clientKey, body: bulk}).ok(t))
	increment := `{"identifier":"tom","trait_key":"logins","increment_by":2}`
	for _, want := range []string{"2", "4"} {
		a := c.post("/api/v1/traits/increment-value/", clientKey, increment)
		require.JSONEq(t, `{"identifier":"tom","trait_key":"logins","trait_value":`+want+`}`, a.ok(t))
	}
	tom := c.identity(clientKey, "tom")
	require.Equal(t, []string{`"premium"`, "37", "4"}, []string{tom.trait("plan"), tom.trait("age"), tom.trait("logins")})
	require.Equal(t, "1.0", c.identity(clientKey, "tim").trait("score"), "a float stays one")
}

// get asks for the document with further header fields.
func getDocument(c *client, header map[string]string) answer {
	c.t.Helper()
	return c.do(request{method: http.MethodGet, path: "/api/v1/environment-document/", key: serverKey, header: header})
}

func tourDocument(t *testing.T, c *client) {
	a := getDocument(c, nil)
	document := decoded[map[string]any](t, a.ok(t))
	require.Equal(t, clientKey, document["api_key"])
	require.NotEmpty(t, document["feature_states"])
	require.NotEmpty(t, document["identity_overrides"])
	etag, modified := a.header.Get("ETag"), a.header.Get("Last-Modified")
	require.Regexp(t, `^"[^"]+"$`, etag, "it is strong")
	require.NotEmpty(t, modified)
	require.Regexp(t, `^\d+\.\d+$`, a.header.Get("X-Flagsmith-Document-Updated-At"))
	for name, header := range map[string]map[string]string{
		"tag":              {"If-None-Match": etag},
		"one tag of many":  {"If-None-Match": `"old", ` + etag},
		"date":             {"If-Modified-Since": modified},
		"tag, compressed":  {"If-None-Match": etag, "Accept-Encoding": "gzip"},
		"tag and old date": {"If-None-Match": etag, "If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
	} {
		a := getDocument(c, header)
		require.Equal(t, http.StatusNotModified, a.status, name)
		require.Empty(t, a.body, name)
		require.True(t, strings.HasPrefix(a.header.Get("ETag"), strings.TrimSuffix(etag, `"`)), name) // the encoding may follow
	}
	getDocument(c, map[string]string{"If-None-Match": `"old"`}).ok(t)
	getDocument(c, map[string]string{"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}).ok(t)
}

func tourEncodings(t *testing.T, c *client) {
	for _, path := range []string{"/api/v1/environment-document/", "/api/v1/flags/"} {
		plain := c.get(path, serverKey)
		for encoding, unpack := range map[string]func(io.Reader) (io.Reader, error){
			"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
		} {
			a := c.do(request{method: http.MethodGet, path: path, key: serverKey, header: map[string]string{"Accept-Encoding": encoding}})
			require.Equal(t, encoding, a.header.Get("Content-Encoding"))
			require.Contains(t, a.header.Get("Vary"), "Accept-Encoding")
			require.Less(t, len(a.ok(t)), len(plain.body)/2)
			reader, err := unpack(strings.NewReader(a.body))
			require.NoError(t, err)
			unpacked, err := io.ReadAll(reader)
			require.NoError(t, err)
			require.Equal(t, plain.body, string(unpacked))
			if etag := plain.header.Get("ETag"); etag != "" {
				require.NotEqual(t, etag, a.header.Get("ETag"), "a strong tag names the bytes that are sent")
			}
		}
	}
}

func tourKeys(t *testing.T, c *client) {
	for _, tt := range []struct {
		name, path, key, detail string
	}{
		{"no key", "/api/v1/flags/", "", "Invalid or missing Environment key"},
		{"unknown key", "/api/v1/flags/", "nobody", "Invalid or missing Environment Key"},
		{"unknown server-side key", "/api/v1/identities/?identifier=ann", "ser.nobody", "Invalid or missing Environment Key"},
		{"client-side key for the document", "/api/v1/environment-document/", clientKey, "Invalid or missing Environment key"},
	} {
		a := c.get(tt.path, tt.key)
		require.Equal(t, http.StatusForbidden, a.status, tt.name)
		require.JSONEq(t, `{"detail":"`+tt.detail+`"}`, a.body, tt.name)
	}
}

func tourRest(t *testing.T, c *client) {
	c.post("/api/v1/analytics/flags/", clientKey, `{"dark_mode":3}`).ok(t)
	preflight := c.do(request{method: http.MethodOptions, path: "/api/v1/flags/", header: map[string]string{
		"Origin": "https://shop.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-environment-key"}})
	preflight.ok(t)
	require.Contains(t, preflight.header.Get("Access-Control-Allow-Headers"), "x-environment-key")
	unknown := c.get("/api/v1/nothing/", clientKey)
	require.Equal(t, http.StatusNotFound, unknown.status)
	require.Equal(t, "application/json", unknown.header.Get("Content-Type"))
	require.Equal(t, http.StatusRequestEntityTooLarge, c.post("/api/v1/identities/", clientKey, `{"identifier":"`+strings.Repeat("x", 10<<20)+`"}`).status)
	require.JSONEq(t, `{"status":"ok"}`, c.get("/health/liveness/", "").ok(t))
	for _, path := range []string{"/health", "/health/", "/health/readiness", "/health/readiness/"} {
		c.get(path, "").ok(t)
	}
}

// TestReadmeTour runs the commands of the README's tour as they are printed there.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	if !hasShell(t) {
		t.Skip("there is no shell with curl")
	}
	n, _ := seeded(t, storetest.SQLiteURL(t))
	etag := getDocument(n.client(), nil).header.Get("ETag")
	readme := strings.NewReplacer("localhost:8000", n.address, "dev-key", clientKey, "ser.dev-secret", serverKey,
		`"the ETag from above"`, etag, "bin/flagstaff", binary).Replace(section(t, "A tour"))
	ran := 0
	for _, script := range codeBlocks(readme) {
		switch {
		case strings.Contains(script, "curl "):
			out := shell(t, script)
			var statuses []string
			for _, m := range regexp.MustCompile(`(?m)^(\d{3}) \S*$`).FindAllStringSubmatch(out, -1) {
				statuses = append(statuses, m[1])
			}
			require.Equal(t, strings.Count(script, "\ncurl "), len(statuses), out)
			for i, status := range statuses {
				require.Contains(t, []string{"200", "304"}, status, "command %d:\n%s", i+1, out)
			}
			require.Contains(t, statuses, "304", out)
			require.Contains(t, out, "environment_updated")
			require.Contains(t, out, "Thank you for being premium", "the trait puts ann into a segment")
		case strings.Contains(script, " evaluate "):
			line := decoded[evaluation](t, shell(t, script))
			require.Empty(t, line.Error)
			require.NotEmpty(t, line.Flags)
			require.NotEmpty(t, line.Segments)
		default:
			continue
		}
		ran++
	}
	require.Equal(t, 2, ran, "the tour has curl commands and an evaluation")
}

// section returns what the README has below a heading.
func section(t testing.TB, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	_, below, found := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, found, "the README has no section %q", heading)
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}

// codeBlocks returns the indented parts of a text, without the indent. Empty lines inside of one belong to it.
func codeBlocks(text string) []string {
	var blocks []string
	inside := false
	for line := range strings.Lines(text) {
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && !inside:
			blocks, inside = append(blocks, code), true
		case indented, inside && strings.TrimSpace(line) == "":
			blocks[len(blocks)-1] += code
		default:
			inside = false
		}
	}
	return blocks
}
