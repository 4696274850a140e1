package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/bench"
)

func TestEnvironmentIsWhatTheReportSays(t *testing.T) {
	st := openStore(t)
	made, err := createEnvironment(t.Context(), st)
	require.NoError(t, err)
	doc, err := st.BuildDocument(t.Context(), made.environmentID)
	require.NoError(t, err)

	require.Len(t, doc.FeatureStates, numFeatures)
	multivariate, json := 0, 0
	for _, f := range doc.FeatureStates {
		if len(f.Variants) > 0 {
			multivariate++
		}
		if len(f.Value) > 100 {
			json++
		}
	}
	require.Equal(t, numMultivariate, multivariate)
	require.Equal(t, 8, json)
	require.Len(t, doc.Project.Segments, 20)
	used, overrides := 0, 0
	for _, s := range doc.Project.Segments {
		if len(s.FeatureStates) > 0 {
			used++
		}
		overrides += len(s.FeatureStates)
	}
	require.Equal(t, 11, used)
	require.Equal(t, 26, overrides)
	require.Len(t, doc.IdentityOverrides, 12)
	require.Len(t, made.site.Stored, numPeople)
}

// TestScenariosRunInProcess also shows that no scenario needs a database: there is none behind the node.
func TestScenariosRunInProcess(t *testing.T) {
	st := openStore(t)
	made, err := createEnvironment(t.Context(), st)
	require.NoError(t, err)
	n, err := newNode(t.Context(), st, made)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.close()) })

	all := captureFrom(t, n, &made.site)
	outcomes := make([]bench.Outcome, len(all))
	p := inProcess{repeat: 1, each: time.Millisecond}
	require.NoError(t, p.run(t.Context(), n, all, outcomes))
	for i, o := range outcomes {
		for _, op := range []*bench.Op{o.Served, o.ServedBare, o.Handler} {
			require.NotNil(t, op, all[i].scenario.Name)
			require.Positive(t, op.Nanoseconds, all[i].scenario.Name)
		}
	}
}

// captureFrom asks the node over a socket.
func captureFrom(t *testing.T, n *node, site *bench.Site) []captured {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- n.serve(ctx, ln) }()
	defer func() {
		stop()
		require.NoError(t, <-served)
	}()
	all, err := (&runCmd{}).capture(ctx, ln.Addr().String(), site)
	require.NoError(t, err)
	require.Len(t, all, 9)
	return all
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{URL: "sqlite://" + filepath.Join(t.TempDir(), "bench.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	require.NoError(t, st.Migrate(t.Context()))
	return st
}
