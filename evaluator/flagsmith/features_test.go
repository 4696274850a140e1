package flagsmith

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// featureProbe is a context with features and segments that match: environment "env", identity "id1" with key "k".
type featureProbe struct {
	feature  string   // the body of feature f; its name is added
	segments []string // name=overrides
	identity string   // JSON; "": id1 with key k
}

func (p featureProbe) context() string {
	var segments []string
	for i, s := range p.segments {
		name, overrides, _ := strings.Cut(s, "=")
		segments = append(segments, fmt.Sprintf(`"%d":{"key":"%d","name":%s,"rules":[{"type":"ALL"}],"overrides":[%s]}`,
			90-i, 90-i, quote(name), overrides))
	}
	identity := p.identity
	if identity == "" {
		identity = `{"identifier":"id1","key":"k"}`
	}
	return fmt.Sprintf(`{"environment":{"key":"env","name":"Env"},"identity":%s,"features":{"f":{"name":"f",%s}},"segments":{%s}}`,
		identity, p.feature, strings.Join(segments, ","))
}

// The table of spec section 7.4, rows 198 to 234. What the reference raises on, the note says.
func TestFeatures(t *testing.T) {
	const base = `"key":"1","enabled":true,"value":"v"`
	override := func(value, rest string) string {
		return fmt.Sprintf(`{"name":"f","key":"9","enabled":true,"value":%q%s}`, value, rest)
	}
	variants := func(list string) string { return base + `,"variants":[` + list + `]` }
	key := func(k string) string { return fmt.Sprintf(`{"identifier":"id1","key":%q}`, k) }
	const (
		third   = `{"value":"a","weight":30.0,"priority":1},{"value":"b","weight":30.0,"priority":2}`
		halves  = `{"value":"a","weight":50.0,"priority":1},{"value":"b","weight":50.0,"priority":2}`
		control = "control"
	)
	for _, c := range []struct {
		row  int
		name string
		featureProbe
		value, reason, variant string // variant "": null
		contextOnly            bool
	}{
		{198, "lower priority wins", featureProbe{base, []string{`A=` + override("A", `,"priority":1`), `B=` + override("B", `,"priority":0`)}, ""}, `"B"`, "TARGETING_MATCH; segment=B", "", false},
		{199, "first of equal priorities wins", featureProbe{base, []string{`A=` + override("A", `,"priority":1`), `B=` + override("B", `,"priority":1`)}, ""}, `"A"`, "TARGETING_MATCH; segment=A", "", false},
		{200, "order of the map, equal priority", featureProbe{base, []string{`B=` + override("B", `,"priority":1`), `A=` + override("A", `,"priority":1`)}, ""}, `"B"`, "TARGETING_MATCH; segment=B", "", false},
		{200, "order of the map, no priority", featureProbe{base, []string{`B=` + override("B", ``), `A=` + override("A", ``)}, ""}, `"B"`, "TARGETING_MATCH; segment=B", "", false},
		{202, "any priority beats none", featureProbe{base, []string{`A=` + override("A", ``), `B=` + override("B", `,"priority":5`)}, ""}, `"B"`, "TARGETING_MATCH; segment=B", "", false},
		{203, "negative priority", featureProbe{base, []string{`A=` + override("A", `,"priority":0`), `B=` + override("B", `,"priority":-1`)}, ""}, `"B"`, "TARGETING_MATCH; segment=B", "", false},
		{203, "fractional priority", featureProbe{base, []string{`A=` + override("A", `,"priority":0.5`), `B=` + override("B", `,"priority":0.25`)}, ""}, `"B"`, "TARGETING_MATCH; segment=B", "", false},
		{204, "null priorities (TypeError): the first wins", featureProbe{base, []string{`A=` + override("A", `,"priority":null`), `B=` + override("B", `,"priority":null`)}, ""}, `"A"`, "TARGETING_MATCH; segment=A", "", false},
		{205, "two overrides in a segment", featureProbe{base, []string{`A=` + override("A1", `,"priority":2`) + `,` + override("A2", `,"priority":1`)}, ""}, `"A2"`, "TARGETING_MATCH; segment=A", "", false},
		{206, "override of an unknown feature", featureProbe{base, []string{`A=` + strings.Replace(override("A", ``), `"f"`, `"g"`, 1)}, ""}, `"v"`, "DEFAULT", "", false},
		{206, "names are case-sensitive", featureProbe{base, []string{`A=` + strings.Replace(override("A", ``), `"f"`, `"F"`, 1)}, ""}, `"v"`, "DEFAULT", "", false},
		{207, "priority of the base does not count", featureProbe{base + `,"priority":-100`, []string{`A=` + override("A", `,"priority":100`)}, ""}, `"A"`, "TARGETING_MATCH; segment=A", "", false},
		{208, "segments match without an identity", featureProbe{base, []string{`A=` + override("A", ``)}, "null"}, `"A"`, "TARGETING_MATCH; segment=A", "", false},
		{212, "name of a segment verbatim", featureProbe{base, []string{`x; y=` + override("A", ``)}, ""}, `"A"`, "TARGETING_MATCH; segment=x; y", "", false},
		{213, "variant without a key", featureProbe{variants(third), nil, ""}, `"a"`, "SPLIT; weight=30.0", "", false},
		{213, "weight as it is written", featureProbe{variants(strings.ReplaceAll(third, "30.0", "30")), nil, ""}, `"a"`, "SPLIT; weight=30", "", true},
		{214, "variants without an identity", featureProbe{variants(third), nil, "null"}, `"v"`, "DEFAULT", "", false},
		{215, "weight with a point", featureProbe{variants(`{"value":"a","weight":100.0,"priority":1}`), nil, ""}, `"a"`, "SPLIT; weight=100.0", "", false},
		{216, "all weights zero", featureProbe{variants(`{"value":"a","weight":0.0,"priority":1}`), nil, ""}, `"v"`, "DEFAULT", control, false},
		{217, "empty list of variants", featureProbe{variants(``), nil, ""}, `"v"`, "DEFAULT", "", false},
		{217, "null for variants", featureProbe{base + `,"variants":null`, nil, ""}, `"v"`, "DEFAULT", "", false},
		{218, "variant with a key", featureProbe{variants(`{"key":"va","value":"a","weight":100,"priority":1}`), nil, ""}, `"a"`, "SPLIT; weight=100", "va", true},
		{218, "variant with a key, by document", featureProbe{variants(`{"key":"va","value":"a","weight":100.0,"priority":1}`), nil, ""}, `"a"`, "SPLIT; weight=100.0", "va", false},
		{219, "variant with a null key", featureProbe{variants(`{"key":null,"value":"a","weight":100,"priority":1}`), nil, ""}, `"a"`, "SPLIT; weight=100", "", true},
		{220, "variants by priority", featureProbe{variants(`{"value":"a","weight":100.0,"priority":2},{"value":"b","weight":100.0,"priority":1}`), nil, ""}, `"b"`, "SPLIT; weight=100.0", "", false},
		{221, "first of variants of equal priority", featureProbe{variants(`{"value":"a","weight":100.0,"priority":1},{"value":"b","weight":100.0,"priority":1}`), nil, ""}, `"a"`, "SPLIT; weight=100.0", "", false},
		{222, "variant without a priority (KeyError)", featureProbe{variants(`{"value":"a","weight":100}`), nil, ""}, `"a"`, "SPLIT; weight=100", "", true},
		{222, "variants without a priority come last", featureProbe{variants(`{"value":"a","weight":100},{"value":"b","weight":100,"priority":7}`), nil, ""}, `"b"`, "SPLIT; weight=100", "", true},
		{223, "empty feature key", featureProbe{strings.Replace(variants(`{"value":"a","weight":100.0,"priority":1}`), `"key":"1"`, `"key":""`, 1), nil, ""}, `"a"`, "SPLIT; weight=100.0", "", false},
		{224, "override with a variant of weight zero", featureProbe{base, []string{`A=` + override("A", `,"variants":[{"value":"a","weight":0.0,"priority":1}]`)}, ""}, `"A"`, "TARGETING_MATCH; segment=A", control, false},
		{225, "override with a variant", featureProbe{base, []string{`A=` + override("A", `,"variants":[{"value":"a","weight":100.0,"priority":1}]`)}, ""}, `"a"`, "SPLIT; weight=100.0", "", false},
		{226, "override without the variants of the base", featureProbe{variants(third), []string{`A=` + override("A", ``)}, ""}, `"A"`, "TARGETING_MATCH; segment=A", "", false},
		{228, "boundary belongs to the next variant", featureProbe{variants(halves), nil, key("6718")}, `"b"`, "SPLIT; weight=50.0", "", false},
		{229, "weight zero is never hit", featureProbe{variants(`{"value":"a","weight":0.0,"priority":1},{"value":"b","weight":50.0,"priority":2}`), nil, key("13139")}, `"b"`, "SPLIT; weight=50.0", "", false},
		{230, "hash that is taken again", featureProbe{variants(third), nil, key("8931")}, `"b"`, "SPLIT; weight=30.0", "", false},
		{231, "the last bit of a sum", featureProbe{variants(`{"value":"a","weight":33.33,"priority":1},{"value":"b","weight":33.33,"priority":2},{"value":"c","weight":33.33,"priority":3}`), nil, key("44829")}, `"c"`, "SPLIT; weight=33.33", "", false},
		{232, "priorities of 128 bits", featureProbe{variants(`{"value":"a","weight":100,"priority":340282366920938463463374607431768211455},{"value":"b","weight":100,"priority":340282366920938463463374607431768211454}`), nil, ""}, `"b"`, "SPLIT; weight=100", "", true},
		{233, "empty identity is none", featureProbe{variants(`{"value":"a","weight":100.0,"priority":1}`), nil, "{}"}, `"v"`, "DEFAULT", "", false},
		{234, "null", featureProbe{`"key":"1","enabled":true,"value":null`, nil, ""}, `null`, "DEFAULT", "", false},
		{234, "integer", featureProbe{`"key":"1","enabled":true,"value":5`, nil, ""}, `5`, "DEFAULT", "", false},
		{234, "false", featureProbe{`"key":"1","enabled":true,"value":false`, nil, ""}, `false`, "DEFAULT", "", false},
		{0, "huge integer", featureProbe{`"key":"1","enabled":true,"value":12345678901234567890123`, nil, ""}, `12345678901234567890123`, "DEFAULT", "", false},
		{0, "float as it is written", featureProbe{`"key":"1","enabled":true,"value":1.50`, nil, ""}, `1.50`, "DEFAULT", "", false},
		{0, "weights beyond 100 make later variants unreachable", featureProbe{variants(`{"value":"a","weight":-5.0,"priority":1},{"value":"b","weight":1e999,"priority":2},{"value":"c","weight":-1e999,"priority":3}`), nil, ""}, `"b"`, "SPLIT; weight=inf", "", true},
	} {
		t.Run(fmt.Sprintf("row %d %s", c.row, c.name), func(t *testing.T) {
			context := c.context()
			got := evaluateContext(t, context)
			results := []result{got}
			if !c.contextOnly {
				doc, id, hashKey := documentOf(t, context)
				results = append(results, documentResult(doc, id, hashKey))
			}
			for _, got := range results {
				f := got.Flags["f"]
				require.Equal(t, c.value, string(f.Value))
				require.Equal(t, c.reason, f.Reason)
				require.True(t, f.Enabled)
				if c.variant == "" {
					require.Nil(t, f.Variant)
				} else {
					require.Equal(t, &c.variant, f.Variant)
				}
				require.Len(t, got.Segments, len(c.segments))
			}
		})
	}
}

func TestResults(t *testing.T) {
	for _, c := range []struct {
		row           int
		name          string
		context, want string
	}{
		{
			197, "no features",
			`{"environment":{"key":"env","name":"Env"}}`,
			`{"flags":{},"segments":[]}`,
		}, {
			201, "order of map keys that look like numbers",
			`{"environment":{"key":"env","name":"Env"},
			"segments":{"10":{"key":"10","name":"Ten","rules":[{"type":"ALL"}],"overrides":[{"name":"f","key":"9","enabled":true,"value":"Ten"}]},
				"9":{"key":"9","name":"Nine","rules":[{"type":"ALL"}],"overrides":[{"name":"f","key":"9","enabled":true,"value":"Nine"}]}},
			"features":{"f":{"name":"f","key":"1","enabled":true,"value":"v"}}}`,
			`{"flags":{"f":{"name":"f","enabled":true,"value":"Ten","reason":"TARGETING_MATCH; segment=Ten","variant":null}},` +
				`"segments":[{"name":"Ten"},{"name":"Nine"}]}`,
		}, {
			209, "metadata is not inherited",
			`{"environment":{"key":"env","name":"Env"},
			"segments":{"1":{"key":"1","name":"A","rules":[{"type":"ALL"}],"overrides":[{"name":"f","key":"9","enabled":true,"value":"A"}]}},
			"features":{"f":{"name":"f","key":"1","enabled":true,"value":"v","metadata":{"id":1}}}}`,
			`{"flags":{"f":{"name":"f","enabled":true,"value":"A","reason":"TARGETING_MATCH; segment=A","variant":null}},` +
				`"segments":[{"name":"A"}]}`,
		}, {
			210, "empty metadata is left out",
			`{"environment":{"key":"env","name":"Env"},
			"segments":{"1":{"key":"1","name":"A","rules":[{"type":"ALL"}],"metadata":{}}},
			"features":{"f":{"name":"f","key":"1","enabled":true,"value":"v","metadata":{}}}}`,
			`{"flags":{"f":{"name":"f","enabled":true,"value":"v","reason":"DEFAULT","variant":null}},"segments":[{"name":"A"}]}`,
		}, {
			227, "a variant does not enable",
			`{"environment":{"key":"env","name":"Env"},"identity":{"identifier":"i"},
			"features":{"f":{"name":"f","key":"1","enabled":false,"value":"v","variants":[{"value":"a","weight":100,"priority":1}]}}}`,
			`{"flags":{"f":{"name":"f","enabled":false,"value":"a","reason":"SPLIT; weight=100","variant":null}},"segments":[]}`,
		}, {
			0, "order, metadata and text are kept",
			`{"features":{"z":{"name":"z","key":"1","enabled":true,"value":"<tama\u00f1o>\u2028\t\u0001","metadata":{"b":[1.0,{}],"a":"\ud83d\ude00"}},
			"a":{"name":"a","key":"2","enabled":false,"value":1e400}},"environment":{"name":"Env","key":"env"},
			"segments":{"b":{"key":"b","name":"\"b\"","rules":[{"type":"ALL"}],"metadata":{"id":1}},"a":{"key":"a","name":"a","rules":[{"type":"ALL"}]}}}`,
			"{\"flags\":{\"z\":{\"name\":\"z\",\"enabled\":true,\"value\":\"<tamaño>\u2028\\t\\u0001\",\"reason\":\"DEFAULT\",\"variant\":null," +
				"\"metadata\":{\"b\":[1.0,{}],\"a\":\"😀\"}},\"a\":{\"name\":\"a\",\"enabled\":false,\"value\":1e400,\"reason\":\"DEFAULT\",\"variant\":null}}," +
				"\"segments\":[{\"name\":\"\\\"b\\\"\",\"metadata\":{\"id\":1}},{\"name\":\"a\"}]}",
		},
	} {
		t.Run(fmt.Sprintf("row %d %s", c.row, c.name), func(t *testing.T) {
			got, err := EvaluateContext([]byte(c.context))
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
			require.True(t, json.Valid(got))
		})
	}
}

func TestBrokenContexts(t *testing.T) {
	const environment = `"environment":{"key":"e","name":"E"}`
	feature := func(body string) string { return `{` + environment + `,"features":{"f":` + body + `}}` }
	segment := func(body string) string { return `{` + environment + `,"segments":{"1":` + body + `}}` }
	for _, c := range []struct{ name, context, want string }{
		{"nothing", ``, "parse evaluation context: unexpected EOF"},
		{"broken JSON", `{"a"`, "parse evaluation context"},
		{"two values", `{} {}`, "parse evaluation context: more than one value"},
		{"bad key", `{1:2}`, "parse evaluation context"},
		{"trailing comma", `{"a":1,}`, "parse evaluation context"},
		{"too deep", strings.Repeat("[", 1000), "nested deeper than 500"},
		{"no object", `[]`, "read evaluation context: the context must be an object"},
		{"no environment", `{}`, "environment is missing"},
		{"environment without a key", `{"environment":{"name":"E"}}`, "environment.key is missing"},
		{"environment of the wrong type", `{"environment":"e"}`, "environment must be an object"},
		{"name of the wrong type", `{"environment":{"key":"e","name":1}}`, "environment.name must be a string"},
		{"list of features", `{` + environment + `,"features":[]}`, "features must be an object"},
		{"feature under another name", feature(`{"name":"g","key":"1","enabled":true,"value":1}`), "features.f.name must be the feature's key"},
		{"feature without a value", feature(`{"name":"f","key":"1","enabled":true}`), "features.f.value is missing"},
		{"enabled as text", feature(`{"name":"f","key":"1","enabled":"yes","value":1}`), "features.f.enabled must be a boolean"},
		{"variants as an object", feature(`{"name":"f","key":"1","enabled":true,"value":1,"variants":{}}`), "features.f.variants must be a list"},
		{"variant without a weight", feature(`{"name":"f","key":"1","enabled":true,"value":1,"variants":[{"value":1}]}`), "features.f.variants.0.weight is missing"},
		{"priority as text", feature(`{"name":"f","key":"1","enabled":true,"value":1,"priority":"1"}`), "features.f.priority must be a number"},
		{"metadata as text", feature(`{"name":"f","key":"1","enabled":true,"value":1,"metadata":"m"}`), "features.f.metadata must be an object"},
		{"segment without a name", segment(`{"key":"1","rules":[]}`), "segments.1.name is missing"},
		{"rules as an object", segment(`{"key":"1","name":"s","rules":{}}`), "segments.1.rules must be a list"},
		{"rule without a type", segment(`{"key":"1","name":"s","rules":[{"rules":[{}]}]}`), "segments.1.rules.0.type is missing"},
		{"condition as text", segment(`{"key":"1","name":"s","rules":[{"type":"ALL","conditions":["c"]}]}`), "segments.1.rules.0.conditions.0 must be an object"},
		{"operator missing", segment(`{"key":"1","name":"s","rules":[{"type":"ALL","conditions":[{}]}]}`), "segments.1.rules.0.conditions.0.operator is missing"},
		{"identity without an identifier", `{` + environment + `,"identity":{"key":"k"}}`, "identity.identifier is missing"},
		{"identity as text", `{` + environment + `,"identity":"i"}`, "identity must be an object"},
		{"traits as a list", `{` + environment + `,"identity":{"identifier":"i","traits":[]}}`, "identity.traits must be an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := EvaluateContext([]byte(c.context))
			require.ErrorContains(t, err, c.want)
			require.Nil(t, got)
		})
	}
}
