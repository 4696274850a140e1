package store_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func TestSegmentOverridePriorities(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env := addEnvironment(t, st, project, "Production")
		f := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f"})
		for _, name := range []string{"first", "second", "in front", "between", "far"} {
			p := store.NewSegmentOverride{EnvironmentID: env, FeatureID: f.ID, SegmentID: addSegment(t, st, project, name)}
			switch name {
			case "in front":
				p.Priority = new(0)
			case "between":
				p.Priority = new(2)
			case "far":
				p.Priority = new(9)
			}
			_, changes, err := st.CreateSegmentOverride(ctx, p)
			require.NoError(t, err)
			requireChanged(t, st, changes, env)
		}
		got := map[string]float64{}
		for _, seg := range document(t, st, env).Project.Segments {
			require.Len(t, seg.FeatureStates, 1)
			got[seg.Name] = *seg.FeatureStates[0].FeatureSegment.Priority
		}
		require.Equal(t, map[string]float64{"in front": 0, "first": 1, "between": 2, "second": 3, "far": 9}, got)
	})
}

func TestSegmentOverrideErrors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		org, err := st.CreateOrganisation(ctx, store.NewOrganisation{Name: "Other"})
		require.NoError(t, err)
		foreign, err := st.CreateProject(ctx, store.NewProject{OrganisationID: org, Name: "Other"})
		require.NoError(t, err)
		env := addEnvironment(t, st, project, "Production")
		f := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f"})
		g := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "g"})
		foreignFeature := addFeature(t, st, store.NewFeature{ProjectID: foreign, Name: "f"})
		seg, foreignSeg := addSegment(t, st, project, "s"), addSegment(t, st, foreign, "s")
		own, _, err := st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "only g", FeatureID: &g.ID})
		require.NoError(t, err)
		_, _, err = st.CreateSegmentOverride(ctx, store.NewSegmentOverride{EnvironmentID: env, FeatureID: f.ID, SegmentID: seg})
		require.NoError(t, err)
		before := document(t, st, env)

		for _, tt := range []struct {
			name string
			p    store.NewSegmentOverride
			want error
		}{
			{"the same again", store.NewSegmentOverride{EnvironmentID: env, FeatureID: f.ID, SegmentID: seg, Priority: new(0)}, store.ErrConflict},
			{"no environment", store.NewSegmentOverride{EnvironmentID: 99, FeatureID: f.ID, SegmentID: seg}, store.ErrNotFound},
			{"no feature", store.NewSegmentOverride{EnvironmentID: env, FeatureID: 99, SegmentID: seg}, store.ErrNotFound},
			{"feature of another project", store.NewSegmentOverride{EnvironmentID: env, FeatureID: foreignFeature.ID, SegmentID: seg}, store.ErrNotFound},
			{"segment of another project", store.NewSegmentOverride{EnvironmentID: env, FeatureID: g.ID, SegmentID: foreignSeg}, store.ErrNotFound},
			{"segment of another feature", store.NewSegmentOverride{EnvironmentID: env, FeatureID: f.ID, SegmentID: own}, store.ErrNotFound},
			{"negative priority", store.NewSegmentOverride{EnvironmentID: env, FeatureID: g.ID, SegmentID: seg, Priority: new(-1)}, store.ErrInvalid},
			{"bad value", store.NewSegmentOverride{EnvironmentID: env, FeatureID: g.ID, SegmentID: seg, State: store.NewState{
				Value: flagsmith.FloatValue(1),
			}}, store.ErrInvalid},
			{"no such variant", store.NewSegmentOverride{EnvironmentID: env, FeatureID: g.ID, SegmentID: seg, State: store.NewState{
				Weights: []store.Weight{{OptionID: 99, Allocation: 1}},
			}}, store.ErrNotFound},
		} {
			_, _, err := st.CreateSegmentOverride(ctx, tt.p)
			require.ErrorIs(t, err, tt.want, tt.name)
		}
		require.Equal(t, before, document(t, st, env), "failed ones changed nothing, priorities included")

		_, _, err = st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "s", FeatureID: &foreignFeature.ID})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, _, err = st.CreateSegment(ctx, store.NewSegment{ProjectID: 99, Name: "s"})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, _, err = st.CreateSegment(ctx, store.NewSegment{ProjectID: project})
		require.ErrorIs(t, err, store.ErrInvalid)
		_, _, err = st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "s", Rules: []flagsmith.Rule{{
			Conditions: []flagsmith.Condition{{Value: json.RawMessage(`{broken`)}},
		}}})
		require.ErrorIs(t, err, store.ErrInvalid)
	})
}

func TestIdentityOverrides(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env, other := addEnvironment(t, st, project, "Production"), addEnvironment(t, st, project, "Development")
		f := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f"})
		g := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "g"})
		p := store.NewIdentityOverride{EnvironmentID: env, Identifier: "ann", FeatureID: f.ID, State: store.NewState{
			Enabled: true, Value: flagsmith.StringValue("hers"),
		}}
		o, changes, err := st.CreateIdentityOverride(ctx, p)
		require.NoError(t, err)
		requireChanged(t, st, changes, env)
		_, _, err = st.CreateIdentityOverride(ctx, p)
		require.ErrorIs(t, err, store.ErrConflict)
		id, err := st.Identity(ctx, env, "ann")
		require.NoError(t, err)
		require.Equal(t, flagsmith.Identity{ID: o.IdentityID, Identifier: "ann", Version: 1}, id)

		p.FeatureID = g.ID
		second, _, err := st.CreateIdentityOverride(ctx, p)
		require.NoError(t, err)
		require.Equal(t, o.IdentityID, second.IdentityID)
		overrides := document(t, st, env).IdentityOverrides
		require.Len(t, overrides, 1)
		require.Len(t, overrides[0].Features, 2)
		require.Equal(t, o.StateID, overrides[0].Features[0].RowID)

		changes, err = st.UpdateFeatureState(ctx, o.StateID, store.StateUpdate{Value: new(flagsmith.BoolValue(true))})
		require.NoError(t, err)
		requireChanged(t, st, changes, env)

		changes, err = st.DeleteIdentityOverride(ctx, env, "ann", f.ID)
		require.NoError(t, err)
		requireChanged(t, st, changes, env)
		_, err = st.DeleteIdentityOverride(ctx, env, "ann", f.ID)
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.DeleteIdentityOverride(ctx, other, "ann", g.ID)
		require.ErrorIs(t, err, store.ErrNotFound)
		require.Len(t, document(t, st, env).IdentityOverrides[0].Features, 1)
		_, err = st.DeleteIdentityOverride(ctx, env, "ann", g.ID)
		require.NoError(t, err)
		require.Empty(t, document(t, st, env).IdentityOverrides)
		_, err = st.Identity(ctx, env, "ann")
		require.NoError(t, err, "the identity stays")

		for _, bad := range []string{"", strings.Repeat("x", 2001), "a\x00"} {
			_, _, err = st.CreateIdentityOverride(ctx, store.NewIdentityOverride{EnvironmentID: env, Identifier: bad, FeatureID: f.ID})
			require.ErrorIs(t, err, store.ErrInvalid)
		}
		_, _, err = st.CreateIdentityOverride(ctx, store.NewIdentityOverride{EnvironmentID: env, Identifier: "bob", FeatureID: 99})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.Identity(ctx, env, "bob")
		require.ErrorIs(t, err, store.ErrNotFound, "a failed override creates no identity")
	})
}

// Changes of one environment by many at once: every one counts, versions have no gaps, and nothing deadlocks.
func TestConcurrentMutations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		envs := []int64{addEnvironment(t, st, project, "A"), addEnvironment(t, st, project, "B")}
		f := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f"})
		seg := addSegment(t, st, project, "s")
		before := []int64{document(t, st, envs[0]).Version, document(t, st, envs[1]).Version}
		var wg sync.WaitGroup
		check := func(fn func(i int) ([]store.Change, error)) {
			wg.Go(func() {
				for i := range 10 {
					if changes, err := fn(i); err != nil || len(changes) == 0 {
						t.Errorf("%v, %v", changes, err)
					}
				}
			})
		}
		check(func(i int) ([]store.Change, error) { // A
			return st.UpdateFeatureState(ctx, f.StateIDs[envs[0]], store.StateUpdate{Value: new(flagsmith.IntValue(int64(i)))})
		})
		check(func(i int) ([]store.Change, error) { // A and B
			return st.UpdateFeature(ctx, f.ID, store.FeatureSettings{Archived: new(i%2 == 0)})
		})
		check(func(int) ([]store.Change, error) { // A and B
			return st.UpdateProject(ctx, project, store.ProjectSettings{HideDisabledFlags: new(true)})
		})
		check(func(i int) ([]store.Change, error) { // B
			_, changes, err := st.CreateIdentityOverride(ctx, store.NewIdentityOverride{
				EnvironmentID: envs[1], Identifier: strings.Repeat("i", i+1), FeatureID: f.ID,
			})
			return changes, err
		})
		check(func(i int) ([]store.Change, error) { // A and B
			g, changes, err := st.CreateFeature(ctx, store.NewFeature{ProjectID: project, Name: strings.Repeat("g", i+1)})
			if err == nil { // A
				_, _, err = st.CreateSegmentOverride(ctx, store.NewSegmentOverride{EnvironmentID: envs[0], FeatureID: g.ID, SegmentID: seg})
			}
			return changes, err
		})
		wg.Wait()
		require.Equal(t, before[0]+50, document(t, st, envs[0]).Version)
		require.Equal(t, before[1]+40, document(t, st, envs[1]).Version)
	})
}
