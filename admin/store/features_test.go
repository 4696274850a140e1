package store_test

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// The rules are those of the admin spec, 3.3.
func TestInitialValueIsTyped(t *testing.T) {
	for _, tt := range []struct {
		text string
		want flagsmith.Value
	}{
		{"", flagsmith.StringValue("")},
		{"hello", flagsmith.StringValue("hello")},
		{"12", flagsmith.IntValue(12)},
		{"-12", flagsmith.IntValue(-12)},
		{"+12", flagsmith.IntValue(12)},
		{"007", flagsmith.IntValue(7)},
		{" 12 ", flagsmith.IntValue(12)},
		{"1_000", flagsmith.IntValue(1000)},
		{"1__000", flagsmith.StringValue("1__000")},
		{"_1", flagsmith.StringValue("_1")},
		{"-_1", flagsmith.StringValue("-_1")},
		{"1_", flagsmith.StringValue("1_")},
		{"2147483646", flagsmith.IntValue(2147483646)},
		{"2147483647", flagsmith.StringValue("2147483647")},
		{"-2147483646", flagsmith.IntValue(-2147483646)},
		{"-2147483647", flagsmith.StringValue("-2147483647")},
		{"99999999999999999999", flagsmith.StringValue("99999999999999999999")},
		{"1.5", flagsmith.StringValue("1.5")},
		{"0x10", flagsmith.StringValue("0x10")},
		{"true", flagsmith.BoolValue(true)},
		{"True", flagsmith.BoolValue(true)},
		{"false", flagsmith.BoolValue(false)},
		{"False", flagsmith.BoolValue(false)},
		{"TRUE", flagsmith.StringValue("TRUE")},
		{" true", flagsmith.StringValue(" true")},
		{`{"a":1}`, flagsmith.StringValue(`{"a":1}`)},
	} {
		require.Equal(t, tt.want, store.InitialValue(&tt.text), "%q", tt.text)
	}
	require.Equal(t, flagsmith.Value{}, store.InitialValue(nil))
}

func TestCreateFeature(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		first := addEnvironment(t, st, project, "Development")
		f, changes, err := st.CreateFeature(ctx, store.NewFeature{
			ProjectID: project, Name: "Button Colour", InitialValue: new("blue"), DefaultEnabled: true, Description: new("A <b>test</b>"),
			ServerKeyOnly: true, Archived: true,
			Options: []store.NewOption{
				{Key: new("green"), Value: flagsmith.StringValue("green"), Allocation: 30.5},
				{Value: flagsmith.IntValue(math.MaxInt32), Allocation: 69.5},
				{Value: flagsmith.BoolValue(true)},
			},
		})
		require.NoError(t, err)
		requireChanged(t, st, changes, first)
		second := addEnvironment(t, st, project, "Production") // later: it gets a state too

		for _, env := range []int64{first, second} {
			doc := document(t, st, env)
			require.Equal(t, []int64{f.ID}, doc.Project.ServerKeyOnlyFeatureID)
			state := defaultState(t, doc, f.ID)
			require.True(t, state.Enabled)
			require.JSONEq(t, `"blue"`, string(state.Value))
			require.Equal(t, "MULTIVARIATE", state.Feature.Type)
			require.Equal(t, "A <b>test</b>", *state.Feature.Core.Description)
			require.Equal(t, "blue", *state.Feature.Core.InitialValue)
			require.Equal(t, state.RowID, state.HashingSeed)
			require.Len(t, state.Variants, 3)
			for i, want := range []string{`"green"`, `2147483647`, `true`} {
				require.Equal(t, f.OptionIDs[i], state.Variants[i].Option.ID)
				require.JSONEq(t, want, string(state.Variants[i].Option.Value))
			}
			require.InDelta(t, 30.5, state.Variants[0].Allocation, 0)
			require.Equal(t, "green", *state.Variants[0].Option.Key)
			require.Nil(t, state.Variants[1].Option.Key)
			id, err := st.DefaultStateID(ctx, env, f.ID)
			require.NoError(t, err)
			require.Equal(t, state.RowID, id)
		}
		require.Equal(t, defaultState(t, document(t, st, first), f.ID).RowID, f.StateIDs[first])

		changes, err = st.UpdateFeature(ctx, f.ID, store.FeatureSettings{
			ServerKeyOnly: new(false), Archived: new(false), Description: new((*string)(nil)),
		})
		require.NoError(t, err)
		requireChanged(t, st, changes, first, second)
		doc := document(t, st, first)
		require.Empty(t, doc.Project.ServerKeyOnlyFeatureID)
		require.Nil(t, defaultState(t, doc, f.ID).Feature.Core.Description)
	})
}

func TestFeatureErrors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env := addEnvironment(t, st, project, "Production")
		addFeature(t, st, store.NewFeature{ProjectID: project, Name: "checkout"})
		before, err := st.DocumentVersion(ctx, env)
		require.NoError(t, err)
		for _, tt := range []struct {
			name    string
			feature store.NewFeature
			want    error
		}{
			{"no name", store.NewFeature{ProjectID: project}, store.ErrInvalid},
			{"long name", store.NewFeature{ProjectID: project, Name: strings.Repeat("é", 2001)}, store.ErrInvalid},
			{"name taken in another case", store.NewFeature{ProjectID: project, Name: "CheckOut"}, store.ErrConflict},
			{"no project", store.NewFeature{ProjectID: 99, Name: "a"}, store.ErrNotFound},
			{"long value", store.NewFeature{ProjectID: project, Name: "a", InitialValue: new(strings.Repeat("x", 20_001))}, store.ErrInvalid},
			{"NUL", store.NewFeature{ProjectID: project, Name: "a", InitialValue: new("\x00")}, store.ErrInvalid},
			{"more than all", store.NewFeature{ProjectID: project, Name: "a", Options: []store.NewOption{
				{Allocation: 60}, {Allocation: 40.5},
			}}, store.ErrInvalid},
			{"less than none", store.NewFeature{ProjectID: project, Name: "a", Options: []store.NewOption{{Allocation: -1}}}, store.ErrInvalid},
			{"float variant", store.NewFeature{ProjectID: project, Name: "a", Options: []store.NewOption{
				{Value: flagsmith.FloatValue(1.5)},
			}}, store.ErrInvalid},
			{"large variant", store.NewFeature{ProjectID: project, Name: "a", Options: []store.NewOption{
				{Value: flagsmith.IntValue(math.MaxInt32 + 1)},
			}}, store.ErrInvalid},
			{"reserved key", store.NewFeature{ProjectID: project, Name: "a", Options: []store.NewOption{{Key: new("control")}}}, store.ErrInvalid},
			{"key twice", store.NewFeature{ProjectID: project, Name: "a", Options: []store.NewOption{
				{Key: new("k")}, {Key: new("k")},
			}}, store.ErrConflict},
		} {
			_, _, err := st.CreateFeature(ctx, tt.feature)
			require.ErrorIs(t, err, tt.want, tt.name)
		}
		doc := document(t, st, env)
		require.Equal(t, before, doc.Version, "nothing changed")
		require.Len(t, doc.FeatureStates, 1)
		require.EqualValues(t, 0, queryInt(t, st.ReadDB(), "SELECT COUNT(*) FROM mv_options"), "failed ones left nothing")
		_, err = st.UpdateFeature(ctx, 99, store.FeatureSettings{})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.DefaultStateID(ctx, env, 99)
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestPreventFlagDefaults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		org, err := st.CreateOrganisation(t.Context(), store.NewOrganisation{Name: "Acme"})
		require.NoError(t, err)
		project, err := st.CreateProject(t.Context(), store.NewProject{OrganisationID: org, Name: "Shop", PreventFlagDefaults: true})
		require.NoError(t, err)
		env := addEnvironment(t, st, project, "Production")
		f := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f", DefaultEnabled: true, InitialValue: new("x")})
		state := defaultState(t, document(t, st, env), f.ID)
		require.False(t, state.Enabled)
		require.Equal(t, json.RawMessage("null"), state.Value)
	})
}

// A feature and an environment that are created at the same time must not miss each other.
func TestFeaturesAndEnvironmentsCreatedTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		project := newProject(t, st)
		const n = 10
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				_, _, err := st.CreateFeature(t.Context(), store.NewFeature{ProjectID: project, Name: "f" + string(rune('a'+i))})
				if err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				_, _, err := st.CreateEnvironment(t.Context(), store.NewEnvironment{ProjectID: project, Name: "e"})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		ids, err := st.EnvironmentIDs(t.Context())
		require.NoError(t, err)
		require.Len(t, ids, n)
		for _, id := range ids {
			require.Len(t, document(t, st, id).FeatureStates, n)
		}
	})
}

func TestUpdateFeatureState(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env, other := addEnvironment(t, st, project, "Production"), addEnvironment(t, st, project, "Development")
		f := addFeature(t, st, store.NewFeature{
			ProjectID: project, Name: "f", InitialValue: new("old"), Options: []store.NewOption{
				{Value: flagsmith.StringValue("a"), Allocation: 10}, {Value: flagsmith.StringValue("b"), Allocation: 20},
			},
		})
		id := f.StateIDs[env]
		before := defaultState(t, document(t, st, env), f.ID)
		untouched := document(t, st, other)

		for _, v := range []flagsmith.Value{
			flagsmith.StringValue("12"), flagsmith.IntValue(math.MinInt32), flagsmith.BoolValue(false), {}, flagsmith.StringValue(""),
		} {
			changes, err := st.UpdateFeatureState(ctx, id, store.StateUpdate{Value: &v})
			require.NoError(t, err)
			requireChanged(t, st, changes, env)
			changes, err = st.UpdateFeatureState(ctx, id, store.StateUpdate{Value: &v, Enabled: new(false)})
			require.NoError(t, err)
			require.Empty(t, changes, "the same again changes nothing")
		}
		changes, err := st.UpdateFeatureState(ctx, id, store.StateUpdate{Enabled: new(true)})
		require.NoError(t, err)
		requireChanged(t, st, changes, env)

		changes, err = st.UpdateFeatureState(ctx, id, store.StateUpdate{Weights: &[]store.Weight{
			{OptionID: f.OptionIDs[1], Allocation: 33.3}, {OptionID: f.OptionIDs[0], Allocation: 10},
		}})
		require.NoError(t, err)
		requireChanged(t, st, changes, env)
		after := defaultState(t, document(t, st, env), f.ID)
		require.Equal(t, before.RowID, after.RowID, "ids seed the variants and must stay")
		require.Equal(t, before.UUID, after.UUID)
		require.Equal(t, before.Variants[0], after.Variants[0])
		require.Equal(t, before.Variants[1].ID, after.Variants[1].ID)
		require.InDelta(t, 33.3, after.Variants[1].Allocation, 0)
		require.JSONEq(t, `""`, string(after.Value))
		require.True(t, after.Enabled)

		changes, err = st.UpdateFeatureState(ctx, id, store.StateUpdate{Weights: &[]store.Weight{{OptionID: f.OptionIDs[0], Allocation: 10}}})
		require.NoError(t, err)
		requireChanged(t, st, changes, env)
		require.Len(t, defaultState(t, document(t, st, env), f.ID).Variants, 1)
		require.Equal(t, untouched, document(t, st, other))

		version, err := st.DocumentVersion(ctx, env)
		require.NoError(t, err)
		foreign := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "g", Options: []store.NewOption{{}}})
		version++ // by the new feature
		for _, tt := range []struct {
			name   string
			id     int64
			update store.StateUpdate
			want   error
		}{
			{"no such state", 999, store.StateUpdate{}, store.ErrNotFound},
			{"float", id, store.StateUpdate{Enabled: new(false), Value: new(flagsmith.FloatValue(1.5))}, store.ErrInvalid},
			{"33 bits", id, store.StateUpdate{Enabled: new(false), Value: new(flagsmith.IntValue(math.MaxInt32 + 1))}, store.ErrInvalid},
			{"too long", id, store.StateUpdate{Value: new(flagsmith.StringValue(strings.Repeat("é", 20_001)))}, store.ErrInvalid},
			{"variant of another feature", id, store.StateUpdate{Weights: &[]store.Weight{{OptionID: foreign.OptionIDs[0]}}}, store.ErrNotFound},
			{"variant twice", id, store.StateUpdate{Weights: &[]store.Weight{{f.OptionIDs[0], 1}, {f.OptionIDs[0], 1}}}, store.ErrInvalid},
			{"over 100", id, store.StateUpdate{Enabled: new(false), Weights: &[]store.Weight{{f.OptionIDs[0], 60}, {f.OptionIDs[1], 60}}}, store.ErrInvalid},
		} {
			_, err := st.UpdateFeatureState(ctx, tt.id, tt.update)
			require.ErrorIs(t, err, tt.want, tt.name)
		}
		doc := document(t, st, env)
		require.Equal(t, version, doc.Version, "failed updates changed nothing")
		require.True(t, defaultState(t, doc, f.ID).Enabled, "not even the part that was good")
	})
}
