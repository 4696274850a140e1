package flagsmith

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// generator makes evaluation contexts that documents can express too.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

func (g generator) list(from, to int, element func(i int) string) string {
	elements := make([]string, from+g.IntN(to-from+1))
	for i := range elements {
		elements[i] = element(i)
	}
	return strings.Join(elements, ",")
}

func (g generator) scalar() string {
	return pick(g, `"a"`, `"b"`, `"ab"`, `""`, `"007"`, `"1.10"`, `"1.2.3"`, `"1.2.3-rc.1"`, `"true"`, `1`, `7`, `-3`, `1.0`, `2.5`, `1e3`,
		`12345678901234567890`, `true`, `false`, `null`)
}

func (g generator) condition() string {
	operator := pick(g, "EQUAL", "NOT_EQUAL", "GREATER_THAN", "GREATER_THAN_INCLUSIVE", "LESS_THAN", "LESS_THAN_INCLUSIVE", "CONTAINS",
		"NOT_CONTAINS", "REGEX", "PERCENTAGE_SPLIT", "MODULO", "IS_SET", "IS_NOT_SET", "IN", "NOPE")
	property := pick(g, "", "", "t0", "t1", "t2", "$.identity.identifier", "$.identity.key", "$.environment.name", "$.identity.traits.t0",
		"$..t1", "$.nope")
	value := pick(g, `"a"`, `"1"`, `"1.10"`, `"7"`, `"1.2.3:semver"`, `"a,b,7"`, `"[\"a\",7]"`, `["a","1.0"]`, `"2|1"`, `"^[ab]+$"`,
		`"a(?!b)"`, `"50"`, `"12.5"`, `"true"`, `""`, `"("`, `3`)
	return fmt.Sprintf(`{"operator":%q,"property":%q,"value":%s}`, operator, property, value)
}

func (g generator) rule(depth int) string {
	conditions := g.list(0, 3, func(int) string { return g.condition() })
	rules := ""
	if depth > 0 {
		rules = g.list(0, 2, func(int) string { return g.rule(depth - 1) })
	}
	return fmt.Sprintf(`{"type":%q,"conditions":[%s],"rules":[%s]}`, pick(g, "ALL", "ANY", "NONE", "ANY", "ALL", "XOR"), conditions, rules)
}

func (g generator) feature(name string) string {
	priority := pick(g, ``, `,"priority":0`, `,"priority":1`, `,"priority":-2.5`, `,"priority":null`)
	variants := ""
	if g.IntN(2) == 0 {
		variants = fmt.Sprintf(`,"variants":[%s]`, g.list(0, 3, func(i int) string {
			key := pick(g, ``, `"key":null,`, fmt.Sprintf(`"key":"v%d",`, i))
			return fmt.Sprintf(`{%s"value":%s,"weight":%s,"priority":%d}`, key, g.scalar(), pick(g, "0.0", "30.0", "33.33", "100.0"), 1+g.IntN(3))
		}))
	}
	return fmt.Sprintf(`{"key":"k%d","name":%q,"enabled":%v,"value":%s%s%s}`, g.IntN(9), name, g.IntN(2) == 0, g.scalar(), priority, variants)
}

func (g generator) identity() string {
	traits := g.list(0, 4, func(i int) string { return fmt.Sprintf(`"t%d":%s`, i, g.scalar()) })
	return fmt.Sprintf(`{"identifier":%q,"key":%q,"traits":{%s}}`, pick(g, "id1", "007", "a,b", "x"), pick(g, "", "k", "007"), traits)
}

func (g generator) context(identity string) string {
	features := g.list(0, 5, func(i int) string { name := fmt.Sprint("f", i); return fmt.Sprintf("%q:%s", name, g.feature(name)) })
	segments := g.list(0, 5, func(i int) string {
		overrides := g.list(0, 3, func(int) string { return g.feature(fmt.Sprint("f", g.IntN(6))) })
		rules := g.list(0, 2, func(int) string { return g.rule(2) })
		return fmt.Sprintf(`"m%d":{"key":"%d","name":"s%d","rules":[%s],"overrides":[%s]}`, 9-i, i+1, i, rules, overrides)
	})
	return fmt.Sprintf(`{"environment":{"key":"env","name":%q},"identity":%s,"features":{%s},"segments":{%s}}`,
		pick(g, "Env", "2024", "1.5"), identity, features, segments)
}

// One answer, whether by evaluation context or by document, with a fresh Scratch or with one that has seen other
// rulesets and identities, the first time or the second.
func TestOneAnswer(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	var used Scratch
	for range 3000 {
		context := g.context(pick(g, "null", "{}", g.identity()))
		byContext := evaluateContext(t, context)
		doc, id, hashKey := documentOf(t, context)
		byDocument := documentResult(doc, id, hashKey)
		require.Equal(t, byContext.Flags, byDocument.Flags, context)
		require.Equal(t, byContext.Segments, byDocument.Segments, context)

		r := Compile(doc)
		fresh := r.Evaluate(id, hashKey, new(Scratch), nil)
		require.Equal(t, fresh, r.Evaluate(id, hashKey, &used, nil), context)
		require.Equal(t, fresh, Compile(doc).Evaluate(id, hashKey, &used, nil), context)
		require.Equal(t, r.Segments(id, hashKey, new(Scratch), nil), r.Segments(id, hashKey, &used, nil), context)
		for i, outcome := range fresh {
			require.Equal(t, i, r.Outcomes()[outcome].Feature)
		}

		// A document that has been through its JSON is the same document.
		raw, err := json.Marshal(doc)
		require.NoError(t, err)
		var again Document
		require.NoError(t, json.Unmarshal(raw, &again))
		require.Equal(t, fresh, Compile(&again).Evaluate(id, hashKey, &used, nil), context)
	}
}

// Raising a split lets more identities in and drops none; the share of those inside is about what it says.
func TestSplitsOnlyGrow(t *testing.T) {
	percents := []string{"0", "0.01", "1", "5", "10", "33.33", "50", "75.5", "99.98", "99.99", "100"}
	doc := &Document{APIKey: "env"}
	for _, percent := range percents {
		doc.Project.Segments = append(doc.Project.Segments, Segment{ID: 7, Rules: []Rule{{Type: "ALL", Conditions: []Condition{
			{Operator: "PERCENTAGE_SPLIT", Value: json.RawMessage(quote(percent))},
		}}}})
	}
	r := Compile(doc)
	var s Scratch
	inside := make([]int, len(percents))
	const identities = 20_000
	for i := range identities {
		matching := r.Segments(&Identity{Identifier: fmt.Sprint("user", i)}, "", &s, nil)
		for j, segment := range matching {
			require.Equal(t, len(percents)-len(matching)+j, segment, "once in, an identity stays in")
			inside[segment]++
		}
	}
	require.Equal(t, identities, inside[len(inside)-1])
	require.InDelta(t, identities/2, inside[6], identities/50)
}

// The same for the first variant of a feature: as its share grows, nobody leaves it.
func TestFirstVariantOnlyGrows(t *testing.T) {
	doc := &Document{APIKey: "env"}
	shares := []float64{0, 1, 10, 33.33, 50, 99.99, 100}
	for i, share := range shares {
		doc.FeatureStates = append(doc.FeatureStates, FeatureState{
			Feature:     Feature{Name: fmt.Sprint("f", i)},
			HashingSeed: 12,
			Variants:    []MultivariateValue{{ID: 1, Allocation: share}, {ID: 2, Allocation: 100 - share}},
		})
	}
	r := Compile(doc)
	var s Scratch
	for i := range 5000 {
		first := false
		for j, id := range r.Evaluate(&Identity{Identifier: fmt.Sprint("user", i)}, "", &s, nil) {
			o := r.Outcomes()[id]
			require.True(t, o.Hit, "the shares add up to everyone")
			isFirst := o.Reason == "SPLIT; weight="+string(appendFloat(nil, shares[j])) && id == r.features[j].base.variants[0].outcome
			require.True(t, isFirst || !first, "user%d leaves at %v", i, shares[j])
			first = isFirst
		}
		require.True(t, first)
	}
}
