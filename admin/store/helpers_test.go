package store_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEnvironment returns an environment of a new project.
func newEnvironment(t testing.TB, st *store.Store) int64 {
	t.Helper()
	org, err := st.CreateOrganisation(t.Context(), store.NewOrganisation{Name: "Acme"})
	require.NoError(t, err)
	project, err := st.CreateProject(t.Context(), store.NewProject{OrganisationID: org, Name: "Shop"})
	require.NoError(t, err)
	env, _, err := st.CreateEnvironment(t.Context(), store.NewEnvironment{ProjectID: project, Name: "Production"})
	require.NoError(t, err)
	return env.ID
}

// startWriter runs a new writer until the end of the test.
func startWriter(t testing.TB, st *store.Store, cfg store.WriterConfig) *store.IdentityWriter {
	t.Helper()
	w := store.NewIdentityWriter(st, cfg)
	run(t, w)
	return w
}

// run runs a writer until the end of the test.
func run(t testing.TB, w *store.IdentityWriter) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// newProject returns a project of a new organisation.
func newProject(t testing.TB, st *store.Store) int64 {
	t.Helper()
	org, err := st.CreateOrganisation(t.Context(), store.NewOrganisation{Name: "Acme"})
	require.NoError(t, err)
	project, err := st.CreateProject(t.Context(), store.NewProject{OrganisationID: org, Name: "Shop"})
	require.NoError(t, err)
	return project
}

func addEnvironment(t testing.TB, st *store.Store, project int64, name string) int64 {
	t.Helper()
	env, _, err := st.CreateEnvironment(t.Context(), store.NewEnvironment{ProjectID: project, Name: name})
	require.NoError(t, err)
	return env.ID
}

func addFeature(t testing.TB, st *store.Store, p store.NewFeature) store.Feature {
	t.Helper()
	f, _, err := st.CreateFeature(t.Context(), p)
	require.NoError(t, err)
	return f
}

func addSegment(t testing.TB, st *store.Store, project int64, name string) int64 {
	t.Helper()
	id, _, err := st.CreateSegment(t.Context(), store.NewSegment{ProjectID: project, Name: name, Rules: []flagsmith.Rule{{
		Type:       "ALL",
		Conditions: []flagsmith.Condition{{Operator: "EQUAL", Property: new("plan"), Value: json.RawMessage(`"premium"`)}},
	}}})
	require.NoError(t, err)
	return id
}

func document(t testing.TB, st *store.Store, environmentID int64) *flagsmith.Document {
	t.Helper()
	doc, err := st.BuildDocument(t.Context(), environmentID)
	require.NoError(t, err)
	return doc
}

// defaultState returns the environment's own state of a feature.
func defaultState(t testing.TB, doc *flagsmith.Document, featureID int64) flagsmith.FeatureState {
	t.Helper()
	for _, st := range doc.FeatureStates {
		if st.Feature.ID == featureID {
			return st
		}
	}
	require.FailNow(t, "no state", "feature %d", featureID)
	return flagsmith.FeatureState{}
}

// queryInt runs a query for one number.
func queryInt(t testing.TB, db *sql.DB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// testClock gives the time that it was set to.
type testClock struct{ now atomic.Pointer[time.Time] }

func newTestClock(t time.Time) *testClock {
	c := &testClock{}
	c.set(t)
	return c
}

func (c *testClock) set(t time.Time) { c.now.Store(&t) }
func (c *testClock) Now() time.Time  { return *c.now.Load() }
