package flagsmith_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	require.Equal(t, `{"ci_commit_sha": "abc123", "image_tag": "2.265.0", "has_email_provider": false, "is_enterprise": false, "is_saas": false, `+
		`"self_hosted_data": {"has_users": true, "has_logins": false}, "package_versions": {".": "2.265.0", "flagstaff": "v0.0.0-test"}}`,
		r.get("/version/", without("X-Environment-Key")).body)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.health.set(true, flagsmith.Check{Name: "DatabaseBackend", Status: "working"}, flagsmith.Check{Name: "MigrationsHealthCheck", Status: "working"})
	json := withHeader("Accept", "application/json")
	keyless := without("X-Environment-Key")
	for _, path := range []string{"/health", "/healthcheck", "/health/readiness/"} {
		a := r.get(path, keyless)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"), "a page, unless JSON is asked for")
		require.Contains(t, a.body, "<td>DatabaseBackend</td><td>working</td>")
		require.Equal(t, "text/html; charset=utf-8", r.get(path, withHeader("Accept", "*/*")).header.Get("Content-Type"))
		const text = `{"DatabaseBackend": "working", "MigrationsHealthCheck": "working"}`
		require.Equal(t, text, r.get(path, json).body)
		require.Equal(t, text, r.get(path+"?format=json").body)
		require.Equal(t, "application/json", r.get(path, json).header.Get("Content-Type"))
		require.Empty(t, r.send("HEAD", path, "").body)
	}
	// A note does not make a node unready; readiness does.
	r.health.set(true, flagsmith.Check{Name: "DatabaseBackend", Status: "unavailable: <b>"})
	require.Contains(t, r.get("/health").body, "unavailable: &lt;b&gt;")
	r.health.set(false, flagsmith.Check{Name: "Drain", Status: "stopping"})
	for _, how := range []sending{json, keyless} {
		require.Equal(t, http.StatusInternalServerError, r.send("GET", "/health/readiness/", "", how).status)
	}
	require.Equal(t, `{"status": "ok"}`, r.get("/health/liveness/").body, "alive all the same")
}
