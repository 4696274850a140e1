package store_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestDocumentGolden builds a small shop in which each part of a document occurs, and compares with testdata/document.json.
// The spec's rules that it pins (SDK spec 2.1.2, 2.8) are named where the data is made.
func TestDocumentGolden(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		clock := newTestClock(time.Date(2026, 3, 1, 10, 0, 0, 123_456_000, time.UTC))
		st := storetest.Open(t, store.Config{URL: url, Now: clock.Now})
		env := buildShop(t, st, clock)

		doc := document(t, st, env)
		requireNoNilLists(t, doc)
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		require.NoError(t, enc.Encode(doc))
		got := numberUUIDs(b.String())

		const golden = "testdata/document.json"
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), got)
		require.Equal(t, doc, document(t, st, env), "building it again gives the same, UUIDs included")
	})
}

func buildShop(t *testing.T, st *store.Store, clock *testClock) (environmentID int64) {
	t.Helper()
	ctx := t.Context()
	tick := func() { clock.set(clock.Now().Add(time.Hour)) }
	org, err := st.CreateOrganisation(ctx, store.NewOrganisation{Name: "Acme", FeatureAnalytics: true})
	require.NoError(t, err)
	project, err := st.CreateProject(ctx, store.NewProject{OrganisationID: org, Name: "Shop", HideDisabledFlags: true})
	require.NoError(t, err)
	other, _, err := st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "Development", APIKey: "dev-key"})
	require.NoError(t, err)
	env, _, err := st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "Production", APIKey: "prod-key"})
	require.NoError(t, err)
	tick()

	checkout := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "checkout_v2", Description: new("New <checkout> & \"more\"")})
	limit := addFeature(t, st, store.NewFeature{
		ProjectID: project, Name: "limit", InitialValue: new("25"), DefaultEnabled: true, ServerKeyOnly: true,
	})
	moderated := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "moderated", InitialValue: new("True"), Archived: true})
	banner := addFeature(t, st, store.NewFeature{
		ProjectID: project, Name: "banner_text", InitialValue: new("héllo <b> & 世界"), DefaultEnabled: true,
		Options: []store.NewOption{
			{Key: new("friendly"), Value: flagsmith.StringValue("hi there"), Allocation: 30},
			{Value: flagsmith.IntValue(7), Allocation: 12.5},
			{Key: new("yes"), Value: flagsmith.BoolValue(true)},
		},
	})
	tick()

	// A segment with everything that conditions can have. Rules and conditions keep their order.
	premium, _, err := st.CreateSegment(ctx, store.NewSegment{
		ProjectID: project, Name: "premium", Description: new("Those who pay"),
		Rules: []flagsmith.Rule{{
			Type: "ALL",
			Rules: []flagsmith.Rule{
				{Type: "ANY", Conditions: []flagsmith.Condition{
					{Operator: "EQUAL", Value: json.RawMessage(`"premium <&> ü"`), Property: new("plan")},
					{Operator: "PERCENTAGE_SPLIT", Value: json.RawMessage(`"10"`)}, // no property
					{Operator: "IN", Value: json.RawMessage(`["a","b,c"]`), Property: new("$.identity.identifier")},
				}},
				{Type: "NONE", Conditions: []flagsmith.Condition{
					{Operator: "IS_SET", Property: new("")}, // no value
					{Operator: "EQUAL", Value: json.RawMessage("null"), Property: new("x")},
				}},
			},
			Conditions: []flagsmith.Condition{{Operator: "REGEX", Value: json.RawMessage(`"^\\d+$"`), Property: new("age")}},
		}},
	})
	require.NoError(t, err)
	// Feature-specific: in the document only where it overrides its feature.
	_, _, err = st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "unused, for banner_text only", FeatureID: &banner.ID})
	require.NoError(t, err)
	onlyThere, _, err := st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "overrides in Development only", FeatureID: &banner.ID})
	require.NoError(t, err)
	onlyHere, _, err := st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "for banner_text", FeatureID: &banner.ID})
	require.NoError(t, err)
	_, _, err = st.CreateSegment(ctx, store.NewSegment{ProjectID: project, Name: "overrides nothing"})
	require.NoError(t, err)
	for _, o := range []store.NewSegmentOverride{
		{EnvironmentID: env.ID, FeatureID: banner.ID, SegmentID: onlyHere, State: store.NewState{Value: flagsmith.StringValue("only here")}},
		{EnvironmentID: other.ID, FeatureID: banner.ID, SegmentID: onlyThere},
		{EnvironmentID: other.ID, FeatureID: limit.ID, SegmentID: premium},
		// Imported with its seed: identities keep their variants. In front of the one above, though made later.
		{EnvironmentID: env.ID, FeatureID: banner.ID, SegmentID: premium, Priority: new(0), State: store.NewState{
			Enabled: true, Value: flagsmith.StringValue("hello, premium"), HashingSeed: new(int64(4711)),
			Weights: []store.Weight{{OptionID: banner.OptionIDs[1], Allocation: 99.9}, {OptionID: banner.OptionIDs[0], Allocation: 0.1}},
		}},
		{EnvironmentID: env.ID, FeatureID: limit.ID, SegmentID: premium, State: store.NewState{Enabled: true, Value: flagsmith.IntValue(-100)}},
	} {
		_, _, err := st.CreateSegmentOverride(ctx, o)
		require.NoError(t, err)
	}
	tick()

	// Identity overrides are in the order of each identity's first one. Of the other environment's there is none.
	for _, o := range []store.NewIdentityOverride{
		{EnvironmentID: env.ID, Identifier: "zoë", FeatureID: moderated.ID, State: store.NewState{Value: flagsmith.BoolValue(false)}},
		{EnvironmentID: other.ID, Identifier: "ann", FeatureID: checkout.ID},
		// Seeded by its uuid, as states are that the edge API made.
		{EnvironmentID: env.ID, Identifier: "ann", FeatureID: checkout.ID, State: store.NewState{Enabled: true, HashingSeed: new(int64(0))}},
		{EnvironmentID: env.ID, Identifier: "zoë", FeatureID: banner.ID, State: store.NewState{
			Enabled: true, Weights: []store.Weight{{OptionID: banner.OptionIDs[0], Allocation: 100}},
		}},
	} {
		_, _, err := st.CreateIdentityOverride(ctx, o)
		require.NoError(t, err)
	}
	tick()
	_, err = st.UpdateFeatureState(ctx, limit.StateIDs[env.ID], store.StateUpdate{Value: new(flagsmith.IntValue(50))})
	require.NoError(t, err)
	return env.ID
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// numberUUIDs replaces each random UUID by the number of its first appearance.
func numberUUIDs(text string) string {
	seen := map[string]string{}
	return uuidPattern.ReplaceAllStringFunc(text, func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprintf("uuid-%d", len(seen)+1)
		}
		return seen[id]
	})
}

// requireNoNilLists holds that every list is there, empty or not: SDKs fail on null.
func requireNoNilLists(t *testing.T, doc *flagsmith.Document) {
	t.Helper()
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	for _, list := range []string{
		"segments", "rules", "conditions", "feature_states", "identity_overrides", "identity_features",
		"multivariate_feature_state_values", "server_key_only_feature_ids",
	} {
		require.NotContains(t, string(b), `"`+list+`":null`)
	}
}

func TestEmptyDocument(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		doc := document(t, st, newEnvironment(t, st))
		requireNoNilLists(t, doc)
		require.True(t, doc.Core)
		require.NotNil(t, doc.Project.Segments)
	})
}

func TestDocumentQueriesDoNotGrow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		small := newEnvironment(t, st)
		few, err := st.CountDocumentQueries(t.Context(), small)
		require.NoError(t, err)
		require.Equal(t, 6, few)
		many, err := st.CountDocumentQueries(t.Context(), largeEnvironment(t, st, 30, 10, 20))
		require.NoError(t, err)
		require.Equal(t, few, many)
	})
}

// A document shows one moment: while two states are always changed together, no document shows one without the other, and
// each version shows one content.
func TestDocumentIsASnapshot(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		project := newProject(t, st)
		env := addEnvironment(t, st, project, "Production")
		seg := addSegment(t, st, project, "s")
		f := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f", Options: []store.NewOption{{}}})
		o, _, err := st.CreateSegmentOverride(t.Context(), store.NewSegmentOverride{EnvironmentID: env, FeatureID: f.ID, SegmentID: seg})
		require.NoError(t, err)

		// Each of these changes the environment row, a state and, for the first, another table, in one transaction.
		stop := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(stop)
		wg.Go(func() {
			for i := int64(1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				weight := float64(i % 100)
				for id, p := range map[int64]store.StateUpdate{
					f.StateIDs[env]: {Value: new(flagsmith.IntValue(int64(weight))), Weights: &[]store.Weight{{f.OptionIDs[0], weight}}},
					o.StateID:       {Value: new(flagsmith.IntValue(i))},
				} {
					if _, err := st.UpdateFeatureState(t.Context(), id, p); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		seen := map[int64]string{}
		for len(seen) < 50 {
			doc := document(t, st, env)
			state := defaultState(t, doc, f.ID)
			if value := string(state.Value); value != "null" { // null: before the first change
				require.Equal(t, fmt.Sprint(state.Variants[0].Allocation), value)
			}
			b, err := json.Marshal(doc)
			require.NoError(t, err)
			if old, ok := seen[doc.Version]; ok {
				require.Equal(t, old, string(b), "version %d", doc.Version)
			}
			seen[doc.Version] = string(b)
		}
	})
}

// largeEnvironment returns an environment with features (every fifth multivariate), segments that override three of them
// each, and identities with an override.
func largeEnvironment(t testing.TB, st *store.Store, features, segments, identities int) int64 {
	t.Helper()
	ctx := t.Context()
	project := newProject(t, st)
	env := addEnvironment(t, st, project, "Production")
	ids := make([]int64, features)
	for i := range ids {
		p := store.NewFeature{
			ProjectID: project, Name: fmt.Sprintf("feature_%03d", i), DefaultEnabled: i%2 == 0, InitialValue: new(strings.Repeat("v", i%40)),
			Description: new("What this flag is for, in a sentence."),
		}
		if i%5 == 0 {
			p.Options = []store.NewOption{
				{Key: new("a"), Value: flagsmith.StringValue("first"), Allocation: 30},
				{Key: new("b"), Value: flagsmith.StringValue("second"), Allocation: 30},
			}
		}
		ids[i] = addFeature(t, st, p).ID
	}
	for i := range segments {
		seg := addSegment(t, st, project, fmt.Sprintf("segment_%02d", i))
		for j := range 3 {
			_, _, err := st.CreateSegmentOverride(ctx, store.NewSegmentOverride{
				EnvironmentID: env, FeatureID: ids[(3*i+j)%features], SegmentID: seg, State: store.NewState{Enabled: true},
			})
			require.NoError(t, err)
		}
	}
	for i := range identities {
		_, _, err := st.CreateIdentityOverride(ctx, store.NewIdentityOverride{
			EnvironmentID: env, Identifier: fmt.Sprintf("user-%d", i), FeatureID: ids[i%features], State: store.NewState{Enabled: true},
		})
		require.NoError(t, err)
	}
	return env
}
