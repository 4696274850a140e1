package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

func TestAddFeatureEvaluations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		env := newEnvironment(t, st)
		day := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
		east := day.Add(2 * time.Minute).In(time.FixedZone("east", -3600)) // the next day in UTC, the same one there
		require.NoError(t, st.AddFeatureEvaluations(ctx, nil))
		require.NoError(t, st.AddFeatureEvaluations(ctx, []store.FeatureEvaluation{
			{EnvironmentID: env, Feature: "b", Day: day, Count: 2},
			{EnvironmentID: env, Feature: "a", Day: day, Count: 1},
			{EnvironmentID: env, Feature: "b", Day: day.Add(-time.Hour), Count: 3}, // the same row
			{EnvironmentID: env, Feature: "b", Day: east, Count: 4},
			{EnvironmentID: env + 99, Feature: "b", Day: day, Count: 5}, // deleted meanwhile
			{EnvironmentID: env, Feature: "nul\x00", Day: day, Count: 6},
		}))
		require.NoError(t, st.AddFeatureEvaluations(ctx, []store.FeatureEvaluation{{EnvironmentID: env, Feature: "a", Day: day, Count: 10}}))
		require.Equal(t, []string{"a 2026-03-01 11", "b 2026-03-01 5", "b 2026-03-02 4"}, evaluations(t, st))

		var many []store.FeatureEvaluation // more than one statement takes
		for i := range 4500 {
			many = append(many, store.FeatureEvaluation{EnvironmentID: env, Feature: fmt.Sprint(i), Day: day, Count: 1})
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := st.AddFeatureEvaluations(ctx, many); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 4500, queryInt(t, st.ReadDB(), "SELECT COUNT(*) FROM feature_evaluations WHERE count = 4 AND feature_name < 'a'"))
	})
}

func evaluations(t *testing.T, st *store.Store) (all []string) {
	rows, err := st.ReadDB().QueryContext(t.Context(), `
		SELECT feature_name || ' ' || CAST(day AS TEXT) || ' ' || CAST(count AS TEXT)
		FROM feature_evaluations
		ORDER BY feature_name, day`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		all = append(all, s)
	}
	require.NoError(t, rows.Err())
	return all
}
