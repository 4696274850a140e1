package main_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// stateOf finds the default state of a feature.
func stateOf(t testing.TB, st *store.Store, environmentID int64, feature string) int64 {
	t.Helper()
	doc, err := st.BuildDocument(t.Context(), environmentID)
	require.NoError(t, err)
	for _, fs := range doc.FeatureStates {
		if fs.Feature.Name == feature {
			id, err := st.DefaultStateID(t.Context(), environmentID, fs.Feature.ID)
			require.NoError(t, err)
			return id
		}
	}
	require.FailNow(t, "no feature "+feature)
	return 0
}

// TestChangeBecomesVisible changes a flag in the database, as another node's admin API would.
func TestChangeBecomesVisible(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		n, made := seeded(t, databaseURL, "--environment-cache-seconds=1")
		environmentID := made.Environments[0].ID
		c := n.client()
		require.True(t, flagNamed(t, c.flags(clientKey), "dark_mode").Enabled)
		before := c.get("/api/v1/environment-document/", serverKey)
		before.ok(t)
		poll := func() answer {
			return c.do(request{method: http.MethodGet, path: "/api/v1/environment-document/", key: serverKey,
				header: map[string]string{"If-None-Match": before.header.Get("ETag")}})
		}
		require.Equal(t, http.StatusNotModified, poll().status)

		withStore(t, databaseURL, func(st *store.Store) {
			value := engine.StringValue("changed")
			changes, err := st.UpdateFeatureState(t.Context(), stateOf(t, st, environmentID, "dark_mode"), store.StateUpdate{Enabled: new(bool), Value: &value})
			require.NoError(t, err)
			require.Len(t, changes, 1)
		})
		changed := time.Now()
		eventually(t, "the change is visible", func() bool { return !flagNamed(t, c.flags(clientKey), "dark_mode").Enabled })
		requireWithin(t, 3*time.Second, changed, "a second, and the request that finds the environment old")

		require.Equal(t, "changed", flagNamed(t, c.flags(serverKey), "dark_mode").Value)
		require.Equal(t, "changed", flagNamed(t, c.identity(clientKey, "ann").Flags, "dark_mode").Value)
		after := poll()
		after.ok(t)
		require.NotEqual(t, before.header.Get("ETag"), after.header.Get("ETag"))
		const updatedAt = "X-Flagsmith-Document-Updated-At"
		require.Greater(t, after.header.Get(updatedAt), before.header.Get(updatedAt))
		require.NotEqual(t, before.body, after.body)
	})
}

// TestChangeIsPushed to a listener while nobody asks for anything: an SDK that listens does not poll.
func TestChangeIsPushed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		n, made := seeded(t, databaseURL, "--environment-cache-seconds=1")
		events, other := n.listenTo(clientKey), n.listenTo(made.Environments[1].ClientKey)
		before, beforeOther := events.updatedAt(), other.updatedAt()
		withStore(t, databaseURL, func(st *store.Store) {
			_, err := st.UpdateFeatureState(t.Context(), stateOf(t, st, made.Environments[0].ID, "dark_mode"), store.StateUpdate{Enabled: new(bool)})
			require.NoError(t, err)
		})
		changed := time.Now()
		eventually(t, "the event comes", func() bool { return events.updatedAt() > before })
		requireWithin(t, 3*time.Second, changed, "the event")
		require.False(t, flagNamed(t, n.client().flags(clientKey), "dark_mode").Enabled, "who is told to come back finds the change")
		require.Equal(t, beforeOther, other.updatedAt(), "it was not theirs")
	})
}

func TestServerKeyIsSwitchedOff(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		n, made := seeded(t, databaseURL, "--environment-cache-seconds=1")
		c := n.client()
		var temporary, expiring store.ServerKey
		expires := time.Now().Add(time.Hour)
		withStore(t, databaseURL, func(st *store.Store) {
			var err error
			temporary, err = st.CreateServerKey(t.Context(), store.NewServerKey{EnvironmentID: made.Environments[0].ID, Name: "temporary"})
			require.NoError(t, err)
			expiring, err = st.CreateServerKey(t.Context(), store.NewServerKey{EnvironmentID: made.Environments[0].ID, Name: "expiring", ExpiresAt: &expires})
			require.NoError(t, err)
		})
		document := func(key string) int { return c.get("/api/v1/environment-document/", key).status }
		require.Equal(t, http.StatusOK, document(temporary.Key))
		require.Equal(t, http.StatusOK, document(expiring.Key))
		set := func(active bool) {
			withStore(t, databaseURL, func(st *store.Store) {
				require.NoError(t, st.SetServerKey(t.Context(), temporary.ID, active, nil))
			})
		}
		set(false)
		changed := time.Now()
		eventually(t, "the key stops working", func() bool { return document(temporary.Key) == http.StatusForbidden })
		requireWithin(t, 3*time.Second, changed, "the key")
		require.Equal(t, http.StatusForbidden, c.get("/api/v1/flags/", temporary.Key).status)
		require.Equal(t, http.StatusOK, document(serverKey), "the others go on")
		set(true)
		eventually(t, "the key works again", func() bool { return document(temporary.Key) == http.StatusOK })

		expires = time.Now().Add(2 * time.Second)
		withStore(t, databaseURL, func(st *store.Store) {
			require.NoError(t, st.SetServerKey(t.Context(), expiring.ID, true, &expires))
		})
		require.Equal(t, http.StatusOK, document(expiring.Key))
		eventually(t, "the other key expires", func() bool { return document(expiring.Key) == http.StatusForbidden })
		require.False(t, time.Now().Before(expires), "not before its time")
	})
}
