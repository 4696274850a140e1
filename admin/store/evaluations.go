package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FeatureEvaluation is how often SDKs evaluated a flag in an environment on one day.
type FeatureEvaluation struct {
	EnvironmentID int64
	Feature       string    // the name that the SDK reported; need not be a feature's
	Day           time.Time // any moment of the day, which is counted in UTC
	Count         int64
}

const addEvaluations = `
	INSERT INTO feature_evaluations (environment_id, feature_name, day, count)
	SELECT w.environment_id, w.feature_name, w.day, w.count
	FROM w
	JOIN environments e ON e.id = w.environment_id -- one that was deleted meanwhile must not spoil the rest
	ORDER BY w.environment_id, w.feature_name, w.day -- all nodes lock in one order
	ON CONFLICT (environment_id, feature_name, day) DO UPDATE
	SET count = feature_evaluations.count + excluded.count`

// AddFeatureEvaluations adds counts to those stored, all or none. Rows of one flag and day may repeat. Counts for
// environments that do not exist are dropped.
func (s *Store) AddFeatureEvaluations(ctx context.Context, evaluations []FeatureEvaluation) error {
	type key struct {
		environmentID int64
		feature, day  string
	}
	sums := map[key]int64{} // a statement must not update one row twice
	for _, e := range evaluations {
		if checkText("feature", e.Feature, 1, maxNameChars) == nil { // else no feature has that name
			sums[key{e.EnvironmentID, e.Feature, e.Day.UTC().Format(time.DateOnly)}] += e.Count
		}
	}
	keys := make([]key, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.environmentID, b.environmentID), strings.Compare(a.feature, b.feature),
			strings.Compare(a.day, b.day))
	})
	set := newRowSet(column{"environment_id", "bigint"}, column{"feature_name", "text"}, column{"day", "date"},
		column{"count", "bigint"})
	for _, k := range keys {
		set.add(k.environmentID, k.feature, k.day, sums[k])
	}
	err := s.inTx(ctx, func(t *tx) error {
		return set.chunks(func(set *rowSet) error {
			with, args := t.dialect.with(set)
			_, err := t.ExecContext(ctx, with+addEvaluations, args...)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("add feature evaluations: %w", err)
	}
	return nil
}
