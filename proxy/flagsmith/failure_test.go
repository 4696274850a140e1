package flagsmith_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

var errDown = errors.New("the database is down")

// unavailable checks an answer that asks the client to come again.
func unavailable(t *testing.T, a *answer, body string) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, body, a.body)
}

const (
	cannotLoad  = `{"detail":"The environment cannot be loaded at the moment."}`
	cannotStore = `{"detail":"Traits cannot be stored at the moment."}`
)

// TestNothingIsLoadedYet: a key that cannot be looked up, or whose environment cannot be loaded, is not a wrong key.
func TestNothingIsLoadedYet(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(r *rig, err error){
		"keys":         func(r *rig, err error) { r.keySource.Fail(err) },
		"environments": func(r *rig, err error) { r.documents.Fail(err) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newHandlerRig(t, shop())
			fail(r, errDown)
			for _, p := range paths {
				for _, key := range []string{clientKey, serverKey} {
					if p.path != documentPath || key == serverKey {
						unavailable(t, r.send(p.methods[0], p.path, p.body, withKey(key)), cannotLoad)
					}
				}
			}
			unavailable(t, r.send("GET", "/sse/environments/"+clientKey+"/stream", ""), cannotLoad)
			require.Equal(t, http.StatusForbidden, r.send("GET", "/api/v1/flags/", "", without("X-Environment-Key")).status)
			fail(r, nil)
			require.Equal(t, http.StatusOK, r.send("GET", "/api/v1/flags/", "").status, "a failure is not remembered")
		})
	}
}

func TestLoadThatTakesTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(), func(o *options) { o.timeout = 20 * time.Millisecond })
	release := r.documents.Block()
	defer release()
	unavailable(t, r.send("GET", "/api/v1/flags/", ""), cannotLoad)
	release()
	require.Eventually(t, func() bool { return r.send("GET", "/api/v1/flags/", "").status == 200 }, 5*time.Second, time.Millisecond)
}

// TestWhatIsKnownIsServed while all behind memory fails.
func TestWhatIsKnownIsServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.identify("bob", `[{"trait_key":"plan","trait_value":"premium"}]`)
	flags := r.get("/api/v1/flags/").body
	document := r.get(documentPath, withKey(serverKey))

	r.keySource.Fail(errDown)
	r.documents.Fail(errDown)
	r.people.fail(errDown, errDown)
	r.keys.Invalidate(clientKey, 0) // as if they had grown old: each is refreshed, in vain
	r.keys.Invalidate(serverKey, 0)
	r.environments.Invalidate(flagsmith.EnvironmentCacheID(shopID), 0)
	r.identities.Invalidate(identityID("bob"), 0)
	require.Eventually(t, func() bool {
		return r.environments.Stats().RefreshErrors > 0 && r.keys.Stats().RefreshErrors > 1 && r.identities.Stats().RefreshErrors > 0
	},
		5*time.Second, time.Millisecond)

	require.Equal(t, flags, r.get("/api/v1/flags/").body)
	require.Equal(t, document.body, r.get(documentPath, withKey(serverKey)).body)
	require.Equal(t, http.StatusNotModified, r.send("GET", documentPath, "", conditions("If-None-Match", document.header.Get("ETag"))...).status)
	require.Contains(t, r.get("/api/v1/identities/?identifier=bob").body, "premium")
	r.post("/api/v1/identities/", `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"premium"}]}`)
	r.post("/api/v1/analytics/flags/", `{"checkout":1}`)
	require.Equal(t, http.StatusServiceUnavailable, r.send("GET", "/api/v1/flags/", "", withKey("other")).status, "a key that nobody knows may be right")
}

// TestIdentityStoreIsDown: only what would store traits is refused.
func TestIdentityStoreIsDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string][2]error{
		"reads and writes": {errDown, errDown},
		"writes":           {nil, errDown}, // a full queue, a read-only replica
	} {
		t.Run(name, func(t *testing.T) {
			r := newHandlerRig(t, shop())
			r.identify("vip", `[{"trait_key":"plan","trait_value":"premium"}]`)
			r.people.fail(down[0], down[1])

			for _, identifier := range []string{"new", "vip"} {
				r.get("/api/v1/identities/?identifier=" + identifier)
				r.get("/api/v1/identities/?identifier=" + identifier + "&transient=true")
				r.post("/api/v1/identities/", `{"identifier":"`+identifier+`"}`)
				r.post("/api/v1/identities/", `{"identifier":"`+identifier+`","transient":true,"traits":[{"trait_key":"n","trait_value":1}]}`)
				a := r.post("/api/v1/identities/", `{"identifier":"`+identifier+`","traits":[{"trait_key":"plan","trait_value":"premium","transient":true}]}`)
				require.Contains(t, summaries(t, a.body), `banner_text on "hello, premium" segment=88 variant=control`)
				unavailable(t, r.send("POST", "/api/v1/identities/", `{"identifier":"`+identifier+`","traits":[{"trait_key":"n","trait_value":1}]}`), cannotStore)
				r.get("/api/v1/flags/" + identifier)
				r.get("/api/v1/identities/" + identifier + "/")
			}
			a := r.post("/api/v1/identities/", `{"identifier":"vip","traits":[{"trait_key":"plan","trait_value":"premium"}]}`)
			require.Contains(t, a.body, `"id":1,`, "what is known and did not change needs no store")
			require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `checkout off "for vip" identity=4`)
			r.post("/api/v1/identities/", `{}`)

			for _, p := range paths {
				if p.path == "/api/v1/traits/" || p.path == "/api/v1/traits/increment-value/" || p.path == "/api/v1/identities/bob/traits/plan" {
					unavailable(t, r.send(p.methods[0], p.path, p.body), cannotStore)
				}
			}
			unavailable(t, r.send("PUT", "/api/v1/traits/bulk/", "["+paths[3].body+"]"), cannotStore)
			unavailable(t, r.send("POST", "/api/v1/bulk-identities/", `{"data":[{"identifier":"bob"}]}`), cannotStore)

			r.people.fail(nil, nil)
			require.Equal(t, 1, r.people.count())
			r.post("/api/v1/identities/", `{"identifier":"new","traits":[{"trait_key":"n","trait_value":1}]}`)
			require.Equal(t, []string{"2 n=1"}, r.storedTraits("new"), "a failure is not remembered")
		})
	}
}

// An identity override is in the environment: it works for an identity that cannot be read.
func TestOverrideOfAnIdentityThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.people.fail(errDown, errDown)
	require.Contains(t, summaries(t, r.get("/api/v1/identities/?identifier=vip").body), `checkout off "for vip" identity=4`)
}

// A source that hands out something that is no document does not bring down what is served.
func TestDocumentThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	before := r.get("/api/v1/flags/").body
	id := flagsmith.EnvironmentCacheID(shopID)
	_, err := r.environments.Put(id, r.documents.Set(id, `{"feature_states":7}`))
	require.Error(t, err)
	require.Equal(t, before, r.get("/api/v1/flags/").body)
	r.environments.Remove(id)
	unavailable(t, r.send("GET", "/api/v1/flags/", ""), cannotLoad)
}

func TestCacheEntriesThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `[]`, `{"traits":[{"key":"a","value":nope}]}`, `{"traits":[{"key":"a","value":"x}]}`, `{"traits":[{"value":[1]}]}`, `{"traits":[{"key":"a"}]}`} {
		_, _, err := flagsmith.DecodeIdentity("", entry(body))
		require.Error(t, err, body)
	}
	_, _, err := flagsmith.DecodeKey("", entry(`7`))
	require.Error(t, err)
	_, _, err = flagsmith.DecodeEnvironment("", entry(`7`))
	require.Error(t, err)
	for _, id := range []string{"", "12", "x\x00bob", "\x00bob"} {
		_, _, ok := flagsmith.SplitIdentityCacheID(id)
		require.False(t, ok, "%q", id)
	}
	environment, identifier, ok := flagsmith.SplitIdentityCacheID(flagsmith.IdentityCacheID(-3, "a b"))
	require.True(t, ok)
	require.EqualValues(t, -3, environment)
	require.Equal(t, "a b", identifier)
}

func TestPanicIsAnsweredInJSON(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop())
	r.router.Exact("/panic", func(*fasthttp.RequestCtx) { panic("as asked") })
	r.serve()
	a := r.send("GET", "/panic", "")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Equal(t, `{"detail":"Internal server error."}`, a.body)
	require.EqualValues(t, 1, r.server.Panics())
	r.get("/api/v1/flags/")
}
