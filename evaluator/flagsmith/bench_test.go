package flagsmith

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// typicalDocument has features of which a tenth has variants and a third has a segment's override; its segments use what
// real ones use: plans, versions, countries, splits, patterns.
func typicalDocument(features, segments, identities int) *Document {
	doc := &Document{APIKey: "n9fbf9h3v4fFgH3U3ngWhb", Name: "Production"}
	conditions := []Condition{
		{Operator: "EQUAL", Property: ptr("plan"), Value: json.RawMessage(`"gold"`)},
		{Operator: "IN", Property: ptr("country"), Value: json.RawMessage(`"AT,BE,DE,ES,FR,IT,NL,PT"`)},
		{Operator: "GREATER_THAN_INCLUSIVE", Property: ptr("app_version"), Value: json.RawMessage(`"4.2.0:semver"`)},
		{Operator: "PERCENTAGE_SPLIT", Property: ptr(""), Value: json.RawMessage(`"25"`)},
		{Operator: "REGEX", Property: ptr("email"), Value: json.RawMessage(`"(?i).*@example\\.com$"`)},
		{Operator: "LESS_THAN", Property: ptr("age"), Value: json.RawMessage(`"40"`)},
		{Operator: "IN", Property: ptr("$.identity.identifier"), Value: json.RawMessage(`"user-1,user-2,user-3"`)},
		{Operator: "MODULO", Property: ptr("account"), Value: json.RawMessage(`"10|3"`)},
		{Operator: "IS_SET", Property: ptr("beta"), Value: json.RawMessage(`""`)},
		{Operator: "EQUAL", Property: ptr("$.environment.name"), Value: json.RawMessage(`"Staging"`)},
	}
	for i := range features {
		st := FeatureState{Feature: Feature{ID: int64(i), Name: fmt.Sprint("feature_", i), Type: "STANDARD"}, Enabled: i%2 == 0,
			HashingSeed: int64(1000 + i), Value: json.RawMessage(`"value"`)}
		if i%10 == 0 {
			st.Feature.Type = "MULTIVARIATE"
			for v, key := range []string{"a", "b"} {
				st.Variants = append(st.Variants, MultivariateValue{ID: int64(v + 1), Allocation: 30, Option: MultivariateOption{Key: &key}})
			}
		}
		doc.FeatureStates = append(doc.FeatureStates, st)
	}
	for i := range segments {
		g := Segment{ID: int64(i + 1), Name: fmt.Sprint("segment_", i), Rules: []Rule{{Type: "ALL", Rules: []Rule{
			{Type: "ANY", Conditions: []Condition{conditions[i%len(conditions)], conditions[(i+3)%len(conditions)]}},
			{Type: "NONE", Conditions: []Condition{conditions[(i+7)%len(conditions)]}},
		}}}}
		for f := i; f < features; f += 3 * segments {
			st := doc.FeatureStates[f]
			st.FeatureSegment = &FeatureSegment{Priority: ptr(float64(i))}
			g.FeatureStates = append(g.FeatureStates, st)
		}
		doc.Project.Segments = append(doc.Project.Segments, g)
	}
	for i := range identities {
		doc.IdentityOverrides = append(doc.IdentityOverrides, IdentityOverride{
			Identifier: fmt.Sprint("user-", i), Features: []FeatureState{doc.FeatureStates[i%features]},
		})
	}
	return doc
}

func typicalIdentity(i int) *Identity {
	return &Identity{Identifier: fmt.Sprint("user-", i), Traits: []Trait{
		{Key: "plan", Value: StringValue([]string{"free", "silver", "gold"}[i%3])},
		{Key: "country", Value: StringValue([]string{"AT", "US", "DE", "JP"}[i%4])},
		{Key: "app_version", Value: StringValue(fmt.Sprintf("4.%d.0", i%5))},
		{Key: "email", Value: StringValue(fmt.Sprintf("user-%d@%s.com", i, []string{"Example", "mail"}[i/2%2]))},
		{Key: "age", Value: IntValue(int64(18 + i%50))},
		{Key: "account", Value: StringValue(fmt.Sprint(100000 + i))},
		{Key: "score", Value: FloatValue(float64(i) / 3)},
		{Key: "subscribed", Value: BoolValue(i%2 == 0)},
	}}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, size := range []struct{ features, segments, identities int }{
		{50, 10, 0}, {100, 20, 0}, {100, 20, 100_000}, {1000, 100, 0}, {100, 0, 0},
	} {
		b.Run(fmt.Sprintf("features=%d/segments=%d/identities=%d", size.features, size.segments, size.identities), func(b *testing.B) {
			r := Compile(typicalDocument(size.features, size.segments, size.identities))
			zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 9999)
			ids := make([]*Identity, 1024)
			want := make([][]OutcomeID, len(ids))
			for i := range ids {
				ids[i] = typicalIdentity(int(zipf.Uint64()))
				want[i] = r.Evaluate(ids[i], "", new(Scratch), nil)
			}
			var s Scratch
			var dst []OutcomeID
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				dst = r.Evaluate(ids[i], "", &s, dst[:0])
				if len(dst) != size.features || dst[0] != want[i][0] {
					b.Fatal("another answer")
				}
				i = (i + 1) % len(ids)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, size := range []struct{ features, segments, identities int }{{100, 20, 0}, {100, 20, 100_000}} {
		b.Run(fmt.Sprintf("features=%d/segments=%d/identities=%d", size.features, size.segments, size.identities), func(b *testing.B) {
			doc := typicalDocument(size.features, size.segments, size.identities)
			b.ReportAllocs()
			for b.Loop() {
				if Compile(doc).NumFeatures() != size.features {
					b.Fatal("features are missing")
				}
			}
		})
	}
}

func BenchmarkEvaluateContext(b *testing.B) {
	line := []byte(probe{traits: `{"t":"1.5"}`, property: "t", operator: "IN", value: `["a","b"]`}.context())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EvaluateContext(line); err != nil {
			b.Fatal(err)
		}
	}
}

// The typical document is worth measuring only if its segments and variants are hit, and missed.
func TestTypicalDocumentIsVaried(t *testing.T) {
	doc := typicalDocument(100, 20, 0)
	r := Compile(doc)
	matched, hits, overrides := map[int]int{}, 0, 0
	for i := range 500 {
		id := typicalIdentity(i)
		for _, segment := range r.Segments(id, "", new(Scratch), nil) {
			matched[segment]++
		}
		for _, outcome := range r.Evaluate(id, "", new(Scratch), nil) {
			if o := r.Outcomes()[outcome]; o.Hit {
				hits++
			} else if o.Segment != nil {
				overrides++
			}
		}
	}
	require.Greater(t, len(matched), 12)
	for segment, n := range matched {
		require.Less(t, n, 500, "segment %d", segment)
	}
	require.InDelta(t, 500*10*0.6, hits, 500)
	require.Greater(t, overrides, 500)
}
