package flagsmith

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// mappedDocument is the document of spec section 7.5: basic is 5, segment 9 (priority 1) makes it 50 and segment 11
// (priority 0) 60, both for plan=gold.
const mappedDocument = `{"id":1,"api_key":"env","name":"Env","project":{"id":1,"name":"p","segments":[
	{"id":9,"name":"seg9","rules":[{"type":"ALL","rules":[{"type":"ANY","conditions":[{"operator":"EQUAL","property_":"plan","value":"gold"}]}]}],
		"feature_states":[{"feature":{"id":1,"name":"basic","type":"STANDARD"},"enabled":true,"django_id":20,"featurestate_uuid":"u20","feature_state_value":50,"feature_segment":{"priority":1}}]},
	{"id":11,"name":"seg11","rules":[{"type":"ALL","rules":[{"type":"ANY","conditions":[{"operator":"EQUAL","property_":"plan","value":"gold"}]}]}],
		"feature_states":[{"feature":{"id":1,"name":"basic","type":"STANDARD"},"enabled":true,"django_id":21,"featurestate_uuid":"u21","feature_state_value":60,"feature_segment":{"priority":0}}]},
	{"id":12,"name":"everyone","rules":[{"type":"ALL","conditions":[{"operator":"PERCENTAGE_SPLIT","property_":null,"value":"100"}]}]}]},
	"feature_states":[
		{"feature":{"id":1,"name":"basic","type":"STANDARD"},"enabled":true,"django_id":10,"featurestate_uuid":"u10","feature_state_value":5},
		{"feature":{"id":2,"name":"mv","type":"MULTIVARIATE"},"enabled":true,"django_id":null,"featurestate_uuid":"u11","feature_state_value":"control",
			"multivariate_feature_state_values":[
				{"id":null,"mv_fs_value_uuid":"00000000-0000-0000-0000-000000000001","percentage_allocation":30.0,"multivariate_feature_option":{"id":1,"value":"late","key":"late_key"}},
				{"id":7,"mv_fs_value_uuid":"ffffffff-0000-0000-0000-000000000001","percentage_allocation":30.0,"multivariate_feature_option":{"id":2,"value":"early","key":"early_key"}}]}],
	"identity_overrides":[
		{"identifier":"userA","identity_features":[{"feature":{"id":1,"name":"basic"},"enabled":true,"feature_state_value":7}]},
		{"identifier":"nothing","identity_features":[]},
		{"identifier":"userB","identity_features":[{"feature":{"id":1,"name":"basic"},"enabled":true,"feature_state_value":1}]},
		{"identifier":"userC","identity_features":[{"feature":{"id":1,"name":"basic"},"enabled":false,"feature_state_value":true}]},
		{"identifier":"userN","identity_features":[{"feature":{"id":1,"name":"basic"},"enabled":true,"feature_state_value":null}]},
		{"identifier":"userD","identity_features":[{"feature":{"id":2,"name":"mv"},"enabled":true,"django_id":30,"feature_state_value":"control",
			"multivariate_feature_state_values":[{"id":1,"percentage_allocation":100,"multivariate_feature_option":{"id":2,"value":"early","key":null}}]}]},
		{"identifier":"userE","identity_features":[{"feature":{"id":2,"name":"mv"},"enabled":true,"django_id":31,"feature_state_value":"own",
			"multivariate_feature_state_values":[{"id":1,"percentage_allocation":0,"multivariate_feature_option":{"id":2,"value":"early","key":null}}]}]},
		{"identifier":"007","identity_features":[{"feature":{"id":1,"name":"basic"},"enabled":true,"feature_state_value":"bond"}]},
		{"identifier":"x,y","identity_features":[{"feature":{"id":1,"name":"basic"},"enabled":true,"feature_state_value":"xy"}]},
		{"identifier":"twice","identity_features":[{"feature":{"id":2,"name":"mv"},"enabled":true,"feature_state_value":"first"},{"feature":{"id":2,"name":"mv"},"enabled":true,"feature_state_value":"second"}]},
		{"identifier":"twice","identity_features":[{"feature":{"id":2,"name":"mv"},"enabled":true,"feature_state_value":"third"},{"feature":{"id":1,"name":"basic"},"enabled":true,"feature_state_value":"other"},{"feature":{"id":3,"name":"gone"},"enabled":true,"feature_state_value":0}]}]}`

func decodeDocument(t *testing.T, raw string) *Document {
	t.Helper()
	var doc Document
	require.NoError(t, json.Unmarshal([]byte(raw), &doc))
	return &doc
}

// The table of spec section 7.5. Where the reference loses an override, the spec recommends what is here (section 2.4).
func TestDocumentMapping(t *testing.T) {
	const (
		gold       = "gold"
		identities = "TARGETING_MATCH; segment=identity_overrides"
	)
	doc := decodeDocument(t, mappedDocument)
	for _, c := range []struct {
		row                    int
		identifier, plan       string
		feature, value, reason string
		variant                string // "": null
	}{
		{235, "userA", "", "basic", `7`, identities, ""},
		{236, "userA", gold, "basic", `7`, identities, ""},
		{237, "nobody", gold, "basic", `60`, "TARGETING_MATCH; segment=seg11", ""},
		{237, "nobody", "", "basic", `5`, "DEFAULT", ""},
		{238, "userB", "", "basic", `1`, identities, ""},
		{238, "userC", "", "basic", `true`, identities, ""},
		{239, "userN", "", "basic", `null`, identities, ""},
		{240, "userD", "", "mv", `"early"`, "SPLIT; weight=100.0", ""},
		{240, "userE", "", "mv", `"own"`, identities, "control"},
		{241, "007", "", "basic", `"bond"`, identities, ""},
		{242, "x,y", "", "basic", `"xy"`, identities, ""},
		{243, "x", "", "basic", `5`, "DEFAULT", ""},
		{0, "nothing", "", "basic", `5`, "DEFAULT", ""},
		{0, "twice", "", "mv", `"first"`, identities, ""},
		{0, "twice", gold, "basic", `"other"`, identities, ""},
		{244, "Z", "", "mv", `"early"`, "SPLIT; weight=30.0", "early_key"},
	} {
		t.Run(fmt.Sprintf("row %d %s", c.row, c.identifier), func(t *testing.T) {
			id := &Identity{Identifier: c.identifier}
			if c.plan != "" {
				id.Traits = []Trait{{Key: "plan", Value: StringValue(c.plan)}}
			}
			hashKey := ""
			if c.row == 244 {
				hashKey = keyIn(t, "u11", 0, 30)
			}
			f := documentResult(doc, id, hashKey).Flags[c.feature]
			require.Equal(t, c.value, string(f.Value))
			require.Equal(t, c.reason, f.Reason)
			if c.variant == "" {
				require.Nil(t, f.Variant)
			} else {
				require.Equal(t, &c.variant, f.Variant)
			}
		})
	}
	t.Run("row 245", func(t *testing.T) {
		segments := documentResult(doc, &Identity{Identifier: "any"}, "").Segments
		require.Len(t, segments, 1)
		require.Equal(t, "everyone", segments[0].Name)
	})
}

// keyIn finds an identity key that a seed places between two percentages.
func keyIn(t *testing.T, seed string, from, to float64) string {
	t.Helper()
	for i := range 10_000 {
		key := fmt.Sprint("key", i)
		bucket, _ := bucketOf([]byte(seed + "," + key))
		if p := bucketPercent(bucket); from <= p && p < to {
			return key
		}
	}
	t.Fatal("no key")
	return ""
}

func TestOutcomes(t *testing.T) {
	doc := decodeDocument(t, mappedDocument)
	r := Compile(doc)
	require.Equal(t, 2, r.NumFeatures())
	require.Len(t, r.Defaults(), 2)

	plain := r.Outcomes()[r.Defaults()[1]]
	require.Equal(t, Outcome{Feature: 1, State: &doc.FeatureStates[1], Value: json.RawMessage(`"control"`), Enabled: true, Reason: "DEFAULT"}, plain)
	require.Equal(t, r.Defaults(), r.Evaluate(nil, "", new(Scratch), nil), "no segment matches without an identity here")

	id := &Identity{Identifier: "a"}
	got := r.Evaluate(id, keyIn(t, "u11", 60, 100), new(Scratch), []OutcomeID{99})
	require.Len(t, got, 3, "appended")
	require.Equal(t, r.Defaults()[0], got[1], "a feature without variants looks the same with an identity")
	withIdentity := r.Outcomes()[got[2]]
	require.Equal(t, "control", *withIdentity.Variant)
	require.False(t, withIdentity.Hit)
	plain.Variant = withIdentity.Variant
	require.Equal(t, plain, withIdentity)

	hit := r.Outcomes()[r.Evaluate(id, keyIn(t, "u11", 30, 60), new(Scratch), nil)[1]]
	require.True(t, hit.Hit)
	require.Equal(t, "late_key", *hit.Variant)
	require.Equal(t, `"late"`, string(hit.Value))
	require.Same(t, &doc.FeatureStates[1], hit.State)

	id.Traits = []Trait{{Key: "plan", Value: StringValue("gold")}}
	override := r.Outcomes()[r.Evaluate(id, "", new(Scratch), nil)[0]]
	require.Same(t, &doc.Project.Segments[1], override.Segment)
	require.Same(t, &doc.Project.Segments[1].FeatureStates[0], override.State)
	require.Nil(t, override.Identity)

	id.Identifier = "userA"
	override = r.Outcomes()[r.Evaluate(id, "", new(Scratch), nil)[0]]
	require.Same(t, &doc.IdentityOverrides[0], override.Identity)
	require.Nil(t, override.Segment)

	id.WithoutOverrides = true
	override = r.Outcomes()[r.Evaluate(id, "", new(Scratch), nil)[0]]
	require.Same(t, &doc.Project.Segments[1], override.Segment)

	fromIdentities := false
	for i, o := range r.Outcomes() {
		require.Equal(t, fromIdentities || o.Identity != nil, o.Identity != nil, "outcome %d: identities come last", i)
		fromIdentities = o.Identity != nil
		require.True(t, json.Valid(o.Value))
	}
}

func TestTraits(t *testing.T) {
	doc := &Document{Project: Project{Segments: []Segment{{
		ID: 1, Rules: []Rule{{Type: "ALL", Conditions: []Condition{{Operator: "EQUAL", Property: ptr("t"), Value: json.RawMessage(`"5"`)}}}},
	}}}}
	r := Compile(doc)
	for _, c := range []struct {
		name   string
		traits []Trait
		want   bool
	}{
		{"integer", []Trait{{Key: "t", Value: IntValue(5)}}, true},
		{"float", []Trait{{Key: "t", Value: FloatValue(5)}}, true},
		{"text", []Trait{{Key: "t", Value: StringValue("005")}}, true},
		{"big integer that is not big", []Trait{{Key: "t", Value: BigIntValue("5")}}, true},
		{"big integer that is none", []Trait{{Key: "t", Value: BigIntValue("five")}}, false},
		{"the last of duplicates", []Trait{{Key: "t", Value: IntValue(4)}, {Key: "t", Value: IntValue(5)}}, true},
		{"the last of duplicates is null", []Trait{{Key: "t", Value: IntValue(5)}, {Key: "t"}}, false},
		{"another trait", []Trait{{Key: "T", Value: IntValue(5)}}, false},
		{"transient", []Trait{{Key: "t", Value: IntValue(5), Transient: true}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.Segments(&Identity{Traits: c.traits}, "", new(Scratch), nil)
			require.Equal(t, c.want, len(got) == 1)
		})
	}
}

// Whatever a document has or lacks, it compiles, and what cannot be evaluated is false.
func TestOddDocuments(t *testing.T) {
	require.Empty(t, Compile(nil).Evaluate(&Identity{}, "", new(Scratch), nil))

	deep := []Rule{{Type: "ALL"}}
	for range 100_000 {
		deep = []Rule{{Type: "ALL", Rules: deep}}
	}
	none := []Rule{{Type: "ALL"}}
	for range 99 {
		none = []Rule{{Type: "ALL", Rules: none}}
	}
	doc := &Document{
		FeatureStates: []FeatureState{
			{Feature: Feature{Name: "f"}},
			{Feature: Feature{Name: "f"}, Value: json.RawMessage(`{"weird":[1`)},
			{Variants: []MultivariateValue{{}, {Allocation: 1e308}, {Allocation: 1e308}, {Allocation: -1e308}}},
		},
		Project: Project{Segments: []Segment{
			{},
			{ID: -1, Rules: []Rule{{}}},
			{ID: -1, Rules: []Rule{{Type: "all", Conditions: []Condition{{}}}}},
			{ID: 3, Rules: deep},
			{ID: 4, Rules: none, FeatureStates: []FeatureState{{Feature: Feature{Name: "f"}, FeatureSegment: &FeatureSegment{}}}},
			{ID: 5, Rules: []Rule{{Type: "NONE", Conditions: []Condition{
				{Operator: "REGEX", Property: ptr("$..*"), Value: json.RawMessage(`"("`)},
				{Operator: "IN", Property: ptr("$.[[["), Value: json.RawMessage(`[`)},
				{Operator: "PERCENTAGE_SPLIT", Value: json.RawMessage(`nonsense`)},
			}}}},
		}},
		IdentityOverrides: []IdentityOverride{{}, {Features: []FeatureState{{Feature: Feature{Name: "f"}}, {}}}},
	}
	r := Compile(doc)
	require.Equal(t, []int{1, 4, 5}, r.Segments(nil, "", new(Scratch), nil))
	ids := r.Evaluate(&Identity{Identifier: "i"}, "", new(Scratch), nil)
	require.Len(t, ids, 3)
	require.Same(t, &doc.Project.Segments[4], r.Outcomes()[ids[0]].Segment, "both features of a name are overridden")
	require.Same(t, &doc.Project.Segments[4], r.Outcomes()[ids[1]].Segment)
	require.Equal(t, 1, r.Outcomes()[ids[1]].Feature)
	ids = r.Evaluate(&Identity{}, "", new(Scratch), nil)
	require.Same(t, &doc.IdentityOverrides[1], r.Outcomes()[ids[0]].Identity, "the empty identifier is one")
	require.Same(t, &doc.IdentityOverrides[1], r.Outcomes()[ids[2]].Identity, "the empty name is one")
	require.Equal(t, "null", string(r.Outcomes()[ids[0]].Value))
}

// Two compilations of a document number its outcomes alike.
func TestCompileIsDeterministic(t *testing.T) {
	doc := decodeDocument(t, mappedDocument)
	want := Compile(doc)
	for range 20 {
		got := Compile(doc)
		require.Equal(t, want.Outcomes(), got.Outcomes())
		require.Equal(t, want.slots, got.slots)
	}
}

func TestBigPriorities(t *testing.T) {
	order := []string{"-1e999", "-9007199254740993", "-9007199254740992.0", "-1", "0.25", "0.5", "1", "9007199254740992.0", "9007199254740993",
		"340282366920938463463374607431768211454", "340282366920938463463374607431768211455", "1e300", "1e999"}
	for i, a := range order {
		for j, b := range order {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			require.Equal(t, want, numberPriority(json.Number(a)).compare(numberPriority(json.Number(b))), "%s %s", a, b)
		}
		require.Equal(t, -1, numberPriority(json.Number(a)).compare(priority{}), "none is weakest")
	}
}

// The path of a document's context: identity overrides are not in it, and its order is that of spec section 1.1.
func TestDocumentPaths(t *testing.T) {
	doc := decodeDocument(t, mappedDocument)
	for path, want := range map[string]string{
		"$..key":                           "env",
		"$..name":                          "Env",
		"$.features.basic.value":           "5",
		"$.segments['9'].overrides[*].key": "20",
		"$.segments['9'].rules[0].rules[0].conditions[0].property": "plan",
		"$.identity.traits.*":     "one",
		"$..[?@ == 'two']":        "two",
		"$.segments[?@.name].key": "9",
		"$..identifier":           "i",
	} {
		segment := Segment{ID: 99, Rules: []Rule{{Type: "ALL", Conditions: []Condition{
			{Operator: "EQUAL", Property: &path, Value: json.RawMessage(quote(want))},
		}}}}
		with := *doc
		with.Project.Segments = append(append([]Segment(nil), doc.Project.Segments...), segment)
		id := &Identity{Identifier: "i", Traits: []Trait{{Key: "z", Value: StringValue("one")}, {Key: "a", Value: StringValue("two")}}}
		require.Contains(t, Compile(&with).Segments(id, "", new(Scratch), nil), len(with.Project.Segments)-1, path)
	}
}

// A Ruleset is shared: evaluations at the same time see no trace of each other, paths and filters included.
func TestConcurrentEvaluation(t *testing.T) {
	doc := decodeDocument(t, mappedDocument)
	for i, path := range []string{"$.identity.traits.*", "$..[?@.value == 5].key", "$..plan"} {
		doc.Project.Segments = append(doc.Project.Segments, Segment{ID: int64(100 + i), Rules: []Rule{{Type: "ALL", Conditions: []Condition{
			{Operator: "REGEX", Property: &path, Value: json.RawMessage(`"(?=.)(gold|5)"`)},
		}}}})
	}
	r := Compile(doc)
	id := &Identity{Identifier: "i", Traits: []Trait{{Key: "plan", Value: StringValue("gold")}}}
	want := r.Segments(id, "", new(Scratch), nil)
	require.Subset(t, want, []int{0, 1, 2, 3, 5})
	var wait sync.WaitGroup
	got := make([][]int, 8)
	for i := range got {
		wait.Go(func() {
			var s Scratch
			for range 50 {
				got[i] = r.Segments(id, "", &s, got[i][:0])
				r.Evaluate(nil, "", &s, nil)
			}
		})
	}
	wait.Wait()
	for i := range got {
		require.Equal(t, want, got[i])
	}
}
