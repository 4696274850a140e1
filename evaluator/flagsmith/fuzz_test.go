package flagsmith

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever the context, EvaluateContext returns an error or one and the same valid JSON.
func FuzzEvaluateContext(f *testing.F) {
	f.Add([]byte(`{"environment":{"key":"e","name":"E"},"identity":{"identifier":"i","traits":{"t":"1.5"}},` +
		`"features":{"f":{"name":"f","key":"1","enabled":true,"value":1,"variants":[{"value":2,"weight":50,"priority":1}]}},` +
		`"segments":{"1":{"key":"1","name":"s","rules":[{"type":"ANY","conditions":[{"operator":"IN","property":"t","value":["1"]}]}],` +
		`"overrides":[{"name":"f","key":"2","enabled":false,"value":"x","priority":1}]}}}`))
	for _, p := range []probe{
		{property: "$..[?@.a > 1]", operator: "REGEX", value: `"(?=a)b"`},
		{property: "$.identity.traits.*", operator: "MODULO", value: `"2|1"`, traits: `{"a":{"b":[1]},"c":3}`},
		{operator: "PERCENTAGE_SPLIT", value: `"50"`},
		{property: "v", operator: "GREATER_THAN", value: `"1.2.3-a:semver"`, traits: `{"v":"1.2.3"}`},
	} {
		f.Add([]byte(p.context()))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := EvaluateContext(line)
		if err != nil {
			require.Nil(t, got)
			return
		}
		require.True(t, json.Valid(got), "%s", got)
		again, err := EvaluateContext(line)
		require.NoError(t, err)
		require.Equal(t, string(got), string(again))
	})
}

// Whatever the document, it compiles, and every evaluation gives one outcome a feature, the same each time.
func FuzzCompileDocument(f *testing.F) {
	f.Add([]byte(mappedDocument), "userA", "plan", "gold")
	f.Add([]byte(`{"project":{"segments":[{"id":1,"rules":[{"type":"ALL","conditions":[{"operator":"REGEX","property_":"$..a","value":"(a)\\1"}]}]}]}}`),
		"i", "a", "aa")
	if raw, err := os.ReadFile("testdata/operators.json"); err == nil {
		f.Add(raw, "", "t", "1.2.3")
	}
	f.Fuzz(func(t *testing.T, raw []byte, identifier, key, value string) {
		var doc Document
		if json.Unmarshal(raw, &doc) != nil {
			return
		}
		r := Compile(&doc)
		require.Equal(t, len(doc.FeatureStates), r.NumFeatures())
		require.Len(t, r.Defaults(), r.NumFeatures())
		text := Trait{Key: key, Value: StringValue(value)}
		for _, id := range []*Identity{
			nil,
			{Identifier: identifier},
			{Identifier: identifier, Traits: []Trait{{Key: key, Value: FloatValue(1.5)}, text}},
			{Identifier: identifier, Traits: []Trait{text, {Key: key, Value: BigIntValue(value)}}},
		} {
			var s Scratch
			got := r.Evaluate(id, "", &s, nil)
			require.Len(t, got, r.NumFeatures())
			for i, outcome := range got {
				require.Equal(t, i, r.Outcomes()[outcome].Feature)
			}
			segments := r.Segments(id, "", &s, nil)
			require.Equal(t, got, r.Evaluate(id, "", &s, nil))
			require.Equal(t, segments, r.Segments(id, "", new(Scratch), nil))
		}
	})
}

// Whatever the path, it is walked to an end, and to the same node each time.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		`$.identity.traits.b.c[?@.d == 'x'].d`, `$..[?count(@..*) > 3]`, `$.a[1::-1,*]['b',"c"]`, `$.a-b..c-d`,
		`$[?length(value(@..b)) > 1 || !@.a && (@.b != null)]`, `$[?value(@.*) == length(@.a)]`, `$[?count(@.a) == count(@['a',0])]`,
		`$.a[?@[0] <= $.b[-1]]`, `$[?length(@) == length("\u00e9")]`, `$[?!length(@.x)]`, `$[?value(@..x)]`, `$[?@ == true]`,
	} {
		f.Add(path, []byte(`{"a":{"b":[1,"x",{"c":null}],"a-b":{"c-d":true}},"b":[1.5,{}]}`))
	}
	f.Fuzz(func(t *testing.T, path string, raw []byte) {
		p := parsePath(path)
		root, err := parseTree(raw)
		if p == nil || err != nil {
			return
		}
		root.fill()
		first := p.first(root)
		require.Same(t, first, p.first(root))
	})
}
