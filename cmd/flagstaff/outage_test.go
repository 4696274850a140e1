package main_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// withFreshTrait is a request whose trait must be stored.
func withFreshTrait(identifier string, i int) request {
	return request{method: http.MethodPost, path: "/api/v1/identities/", key: clientKey,
		body: fmt.Sprintf(`{"identifier":%q,"traits":[{"trait_key":"visits","trait_value":%d}]}`, identifier, i)}
}

// requireUnavailable checks an answer to what cannot be done now.
func requireUnavailable(t testing.TB, a answer, began time.Time) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.NotEmpty(t, decoded[map[string]string](t, a.body)["detail"])
	requireWithin(t, 8*time.Second, began, "the timeout of a request")
}

// TestDatabaseOutage takes the database away in two ways while the server serves, and gives it back.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	for _, state := range []relayState{isCut, stalling} {
		t.Run(map[relayState]string{isCut: "connections break", stalling: "connections stall"}[state], func(t *testing.T) {
			t.Parallel()
			testDatabaseOutage(t, state)
		})
	}
}

func testDatabaseOutage(t *testing.T, state relayState) {
	databaseURL := storetest.PostgresURL(t)
	made := seed(t, databaseURL)
	relay := newRelay(t, databaseURL)
	// Everything in memory ages during the outage.
	n := serve(t, vars{"DATABASE_URL": withHost(t, databaseURL, relay.address), "ENVIRONMENT_CACHE_SECONDS": "0.2", "FLAGSTAFF_IDENTITY_CACHE_SECONDS": "0.2"})
	c := newClient(t, n.address, 100)
	flags := c.get("/api/v1/flags/", clientKey).ok(t)
	document := c.get("/api/v1/environment-document/", serverKey)
	document.ok(t)
	c.do(withFreshTrait("ann", 1)).ok(t)
	ann := c.get("/api/v1/identities/?identifier=ann", clientKey).ok(t)
	c.post("/api/v1/identities/", clientKey, `{"identifier":"eve","transient":true}`).ok(t) // not stored, and known not to be

	relay.set(state)
	eventually(t, "readiness tells", func() bool {
		began := time.Now()
		a := c.get("/health/readiness/?format=json", "")
		requireWithin(t, 900*time.Millisecond, began, "a prober waits no longer than a second")
		return !strings.Contains(a.ok(t), `"DatabaseBackend": "working"`)
	})
	r := run(t, vars{"FLAGSTAFF_LISTEN": n.address}, "healthcheck")
	require.Zero(t, r.code, "what the node knows it goes on serving")
	require.Contains(t, r.stdout, "unavailable")

	known := func() {
		t.Helper()
		require.Equal(t, flags, c.get("/api/v1/flags/", clientKey).ok(t))
		require.Equal(t, ann, c.get("/api/v1/identities/?identifier=ann", clientKey).ok(t))
		require.Equal(t, ann, c.do(withFreshTrait("ann", 1)).ok(t), "traits that are stored already need no database")
		require.Equal(t, document.body, c.get("/api/v1/environment-document/", serverKey).ok(t))
		a := c.do(request{method: http.MethodGet, path: "/api/v1/environment-document/", key: serverKey,
			header: map[string]string{"If-None-Match": document.header.Get("ETag")}})
		require.Equal(t, http.StatusNotModified, a.status)
		transient := c.post("/api/v1/identities/", clientKey, `{"identifier":"ann","transient":true,"traits":[{"trait_key":"plan","trait_value":"premium"}]}`)
		require.Contains(t, transient.ok(t), "Thank you for being premium")
		anonymous := c.post("/api/v1/identities/", clientKey, `{"traits":[{"trait_key":"plan","trait_value":"premium"}]}`)
		require.Contains(t, anonymous.ok(t), "Thank you for being premium")
		c.post("/api/v1/analytics/flags/", clientKey, `{"dark_mode":1}`).ok(t)
		c.get("/health/liveness/", "").ok(t)
	}
	known()

	// All at once, and beside what is known: while connections stall each of these takes as long as it may.
	needDatabase := []request{
		{method: http.MethodGet, path: "/api/v1/flags/", key: "never seen before"},
		{method: http.MethodGet, path: "/api/v1/flags/", key: made.Environments[1].ClientKey}, // known to the database only
		withFreshTrait("ann", 2),
	}
	if state == isCut {
		for _, stranger := range []string{"eve", "mallory"} { // who brings nothing to store
			require.Contains(t, c.get("/api/v1/identities/?identifier="+stranger, clientKey).ok(t), "Free delivery from 50")
			require.Contains(t, c.post("/api/v1/identities/", clientKey, `{"identifier":"`+stranger+
				`","traits":[{"trait_key":"plan","trait_value":"premium","transient":true}]}`).ok(t), "Thank you for being premium")
		}
		// The others would wait for the first one's transaction if connections stalled.
		needDatabase = append(needDatabase,
			withFreshTrait("bob", 1),
			request{method: http.MethodPost, path: "/api/v1/traits/", key: clientKey, body: traitJSON("ann", "visits", "3")},
			request{method: http.MethodPut, path: "/api/v1/traits/bulk/", key: clientKey, body: "[" + traitJSON("ann", "visits", "4") + "]"},
			request{method: http.MethodPost, path: "/api/v1/traits/increment-value/", key: clientKey, body: `{"identifier":"ann","trait_key":"visits","increment_by":1}`},
		)
	}
	var all sync.WaitGroup
	began := time.Now()
	answers := make([]answer, len(needDatabase))
	for i, r := range needDatabase {
		all.Go(func() {
			var err error
			if answers[i], err = c.try(r); err != nil {
				answers[i].body = err.Error()
			}
		})
	}
	eventually(t, "what is in memory is older than it should be", func() bool {
		known()
		return strings.Contains(n.stderr.String(), "refresh failed, serving stale")
	})
	all.Wait()
	for _, a := range answers {
		requireUnavailable(t, a, began)
	}
	known()

	relay.restore()
	eventually(t, "writes work again", func() bool { return c.do(withFreshTrait("ann", 5)).status == http.StatusOK })
	eventually(t, "readiness tells", func() bool {
		return strings.Contains(c.get("/health/readiness/?format=json", "").ok(t), `"DatabaseBackend": "working"`)
	})
	eventually(t, "what is in memory is refreshed again", func() bool {
		c.flags(clientKey)
		c.flags(serverKey) // a cache works again when nothing in it fails any more
		return strings.Contains(n.stderr.String(), "refresh works again")
	})
	require.Equal(t, "5", c.identity(clientKey, "ann").trait("visits"))
	require.NotEmpty(t, c.flags(made.Environments[1].ClientKey))
	require.Equal(t, http.StatusForbidden, c.get("/api/v1/flags/", "never seen before").status, "an unknown key is unknown again")
	require.Zero(t, terminated(n), "the usage that was counted meanwhile is stored")
	require.LessOrEqual(t, strings.Count(n.stderr.String(), "serving stale"), 3, "a state is logged once for each cache, not once for each request")
}

var goroutineHeader = regexp.MustCompile(`(?m)^goroutine \d+ .*\[`)

// TestOutageDoesNotPileUp sends many requests that need the database while it does not answer, and counts goroutines.
func TestOutageDoesNotPileUp(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.PostgresURL(t)
	seed(t, databaseURL)
	relay := newRelay(t, databaseURL)
	n := serve(t, vars{"DATABASE_URL": withHost(t, databaseURL, relay.address), "ENVIRONMENT_CACHE_SECONDS": "0.1"})
	const clients = 50
	c := newClient(t, n.address, clients)
	flags := c.get("/api/v1/flags/", clientKey).ok(t)
	relay.stall()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for j := range 200 {
				// Identities that were never seen, keys that nobody has, and what is in memory but too old. One of the first
				// two kinds waits as long as it may, so there is but one of them a client.
				r := request{method: http.MethodGet, path: "/api/v1/flags/", key: clientKey}
				switch {
				case j == 100 && i%2 == 0:
					r = request{method: http.MethodGet, path: fmt.Sprintf("/api/v1/identities/?identifier=new-%d", i), key: clientKey}
				case j == 100:
					r.key = fmt.Sprintf("nobody-%d", i)
				}
				a, err := c.try(r)
				switch {
				case err != nil:
					t.Error(err)
				case j == 100 && i%2 == 1:
					if a.status != http.StatusServiceUnavailable {
						t.Errorf("unknown key: status %d", a.status)
					}
				case a.status != http.StatusOK:
					t.Errorf("%s: status %d: %s", r.path, a.status, a.body)
				}
			}
		})
	}
	all.Wait()
	require.False(t, t.Failed())
	require.Equal(t, flags, c.get("/api/v1/flags/", clientKey).ok(t))
	n.signal(syscall.SIGQUIT) // a Go program answers with the stacks of all goroutines, and ends
	require.Equal(t, 2, n.wait())
	// One for each open connection, some tens of the server's own, and a few for each connection to the database that is given up.
	goroutines := len(goroutineHeader.FindAllString(n.stderr.String(), -1))
	t.Logf("%d goroutines", goroutines)
	require.NotZero(t, goroutines)
	require.Less(t, goroutines, clients+100)
}
