package flagsmith

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table of spec section 7.1.
func TestOperators(t *testing.T) {
	raw, err := os.ReadFile("testdata/operators.json")
	require.NoError(t, err)
	var rows []struct {
		Row          int
		Trait, Value json.RawMessage
		Operator     string
		Match        bool
	}
	require.NoError(t, json.Unmarshal(raw, &rows))
	require.Len(t, rows, 119)
	for _, row := range rows {
		t.Run(fmt.Sprintf("row %d", row.Row), func(t *testing.T) {
			p := probe{traits: `{"t":` + string(row.Trait) + `}`, property: "t", operator: row.Operator, value: string(row.Value)}
			requireMatch(t, row.Match, p.context(), true)
		})
	}
}

// The table of spec section 7.2.
func TestProperties(t *testing.T) {
	const contextOnly = true
	for _, c := range []struct {
		row int
		probe
		want        bool
		contextOnly bool // documents say it differently or cannot say it
	}{
		{120, probe{property: "t", operator: "EQUAL", value: `"a"`}, false, false},
		{120, probe{property: "t", operator: "NOT_EQUAL", value: `"a"`}, false, false},
		{120, probe{property: "t", operator: "CONTAINS", value: `"a"`}, false, false},
		{120, probe{property: "t", operator: "NOT_CONTAINS", value: `"a"`}, false, false},
		{120, probe{property: "t", operator: "REGEX", value: `".*"`}, false, false},
		{120, probe{property: "t", operator: "MODULO", value: `"2|0"`}, false, false},
		{120, probe{property: "t", operator: "IN", value: `"a"`}, false, false},
		{120, probe{property: "t", operator: "GREATER_THAN", value: `"a"`}, false, false},
		{121, probe{property: "t", operator: "IS_NOT_SET", value: `""`}, true, false},
		{122, probe{property: "t", operator: "PERCENTAGE_SPLIT", value: `"100"`}, false, false},
		{123, probe{noIdentity: true, property: "t", operator: "IS_NOT_SET", value: `""`}, true, false},
		{124, probe{noIdentity: true, property: "t", operator: "NOT_EQUAL", value: `"a"`}, false, false},
		{125, probe{noIdentity: true, property: "$.environment.name", operator: "EQUAL", value: `"Env"`}, true, false},
		{126, probe{noIdentity: true, operator: "PERCENTAGE_SPLIT", value: `"100"`}, false, false},
		{127, probe{noIdentity: true, property: "$.environment.key", operator: "PERCENTAGE_SPLIT", value: `"100"`}, true, false},
		{128, probe{traits: `{"":"x"}`, operator: "EQUAL", value: `"x"`}, true, false},
		{129, probe{operator: "IS_NOT_SET", value: `""`}, true, false},
		{130, probe{traits: `{"$.identity.identifier":"x"}`, property: "$.identity.identifier", operator: "EQUAL", value: `"id1"`}, false, false},
		{131, probe{traits: `{"$.identity.identifier":"x"}`, property: "$.identity.identifier", operator: "EQUAL", value: `"x"`}, true, false},
		{132, probe{traits: `{"$.identity.identifier":""}`, property: "$.identity.identifier", operator: "EQUAL", value: `""`}, true, false},
		{133, probe{traits: `{"$.identity.identifier":null}`, property: "$.identity.identifier", operator: "IS_SET", value: `""`}, true, false},
		{134, probe{property: "$.identity.key", operator: "EQUAL", value: `"env_id1"`}, true, false},
		{135, probe{key: "007", property: "$.identity.key", operator: "EQUAL", value: `"7"`}, true, false},
		{136, probe{traits: `{"foo-bar":"x"}`, property: "$.identity.traits.foo-bar", operator: "EQUAL", value: `"x"`}, true, false},
		{137, probe{traits: `{"a.b":"x"}`, property: "$.identity.traits.a.b", operator: "EQUAL", value: `"x"`}, false, false},
		{138, probe{traits: `{"a.b":"x"}`, property: "$.identity.traits['a.b']", operator: "EQUAL", value: `"x"`}, true, false},
		{138, probe{traits: `{"a.b":"x"}`, property: `$.identity.traits["a.b"]`, operator: "EQUAL", value: `"x"`}, true, false},
		{139, probe{traits: `{"a.b":"x"}`, property: "a.b", operator: "EQUAL", value: `"x"`}, true, false},
		{140, probe{traits: `{"a":{"b":"x"}}`, property: "a.b", operator: "EQUAL", value: `"x"`}, false, contextOnly},
		{141, probe{property: "$['identity']['identifier']", operator: "EQUAL", value: `"id1"`}, false, false},
		{142, probe{property: "$.identity", operator: "IS_SET", value: `""`}, false, false},
		{143, probe{traits: `{"a":1,"b":2}`, property: "$.identity.traits.*", operator: "EQUAL", value: `"1"`}, true, false},
		{144, probe{property: "$..identifier", operator: "EQUAL", value: `"id1"`}, true, false},
		{145, probe{traits: `{"$.":"x"}`, property: "$.", operator: "EQUAL", value: `"x"`}, true, false},
		{146, probe{traits: `{"$.a b":"x"}`, property: "$.a b", operator: "EQUAL", value: `"x"`}, true, false},
		{147, probe{property: "$.Identity.identifier", operator: "IS_NOT_SET", value: `""`}, true, false},
		{148, probe{property: "$.identity.identifier ", operator: "EQUAL", value: `"id1"`}, false, false},
		// An exception in the reference, which section 3.2 turns into null.
		{149, probe{traits: `{"a":{"a":1}}`, property: "$.identity.traits[?foo(@.a)]", operator: "IS_NOT_SET", value: `""`}, true, contextOnly},
		{150, probe{envName: "2024", property: "$.environment.name", operator: "CONTAINS", value: `"02"`}, false, false},
		{151, probe{identifier: "007", property: "$.identity.identifier", operator: "IN", value: `"007"`}, false, false},
		{151, probe{identifier: "007", property: "$.identity.identifier", operator: "IN", value: `["007"]`}, false, false},
		{152, probe{identifier: "1.5", property: "$.identity.identifier", operator: "IN", value: `"1.5"`}, false, false},
		{153, probe{identifier: "123", property: "$.identity.identifier", operator: "IN", value: `"123"`}, true, false},
		{154, probe{identifier: "a,b", property: "$.identity.identifier", operator: "IN", value: `"a,b"`}, false, false},
		{155, probe{identifier: "a,b", property: "$.identity.identifier", operator: "IN", value: `["a,b"]`}, true, false},
		{156, probe{traits: `{"t":["a"]}`, property: "t", operator: "IS_SET", value: `""`}, true, contextOnly},
		{157, probe{traits: `{"t":["a"]}`, property: "$.identity.traits.t", operator: "IS_SET", value: `""`}, false, contextOnly},
		{158, probe{traits: `{"t":"None"}`, property: "t", operator: "EQUAL", value: `null`}, true, contextOnly},
		{159, probe{traits: `{"t":"a"}`, property: "t", operator: "IN", value: `null`}, false, false},
		{160, probe{traits: `{"t":"a"}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `null`}, false, false},
		{161, probe{operator: "PERCENTAGE_SPLIT", value: `"abc"`}, false, false},
		{161, probe{operator: "PERCENTAGE_SPLIT", value: `""`}, false, false},
		{161, probe{operator: "PERCENTAGE_SPLIT", value: `"-1"`}, false, false},
		{161, probe{operator: "PERCENTAGE_SPLIT", value: `"nan"`}, false, false},
		{161, probe{operator: "PERCENTAGE_SPLIT", value: `["100"]`}, false, false}, // a list, which no row has
		{162, probe{key: "k", operator: "PERCENTAGE_SPLIT", value: `"50%"`}, false, false},
		{163, probe{operator: "PERCENTAGE_SPLIT", value: `"inf"`}, true, false},
		{164, probe{operator: "PERCENTAGE_SPLIT", value: `" 100 "`}, true, false},
		{165, probe{operator: "PERCENTAGE_SPLIT", value: `100`}, true, false},
		{166, probe{key: "13139", operator: "PERCENTAGE_SPLIT", value: `"0"`}, true, false},
		{167, probe{key: "6718", operator: "PERCENTAGE_SPLIT", value: `"50"`}, true, false},
		{168, probe{key: "8931", operator: "PERCENTAGE_SPLIT", value: `"46"`}, true, false},
		{168, probe{key: "8931", operator: "PERCENTAGE_SPLIT", value: `"45"`}, false, false},
		{169, probe{key: "007", property: "$.identity.key", operator: "PERCENTAGE_SPLIT", value: `"63"`}, true, false},
		{170, probe{key: "007", operator: "PERCENTAGE_SPLIT", value: `"63"`}, false, false},
		{171, probe{traits: `{"t":1.0}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"14.7"`}, true, false},
		{171, probe{traits: `{"t":1.0}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"14.6"`}, false, false},
		{172, probe{traits: `{"t":true}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"23.6"`}, true, false},
		{172, probe{traits: `{"t":true}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"23.5"`}, false, false},
		{173, probe{traits: `{"t":"abc"}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"100"`}, true, false},
		{174, probe{traits: `{"t":""}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"100"`}, true, false},
		{174, probe{traits: `{"t":0}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"100"`}, true, false},
		{174, probe{traits: `{"t":false}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"100"`}, true, false},
		{175, probe{traits: `{"t":null}`, property: "t", operator: "PERCENTAGE_SPLIT", value: `"100"`}, false, false},
	} {
		t.Run(fmt.Sprintf("row %d %s", c.row, c.operator), func(t *testing.T) {
			requireMatch(t, c.want, c.context(), !c.contextOnly)
		})
	}
}

// The table of spec section 7.3. In rules, T and F stand for conditions that hold and do not.
func TestRuleLogic(t *testing.T) {
	hold := `{"property":"t","operator":"IS_NOT_SET","value":""}`
	fail := `{"property":"t","operator":"IS_SET","value":""}`
	expand := strings.NewReplacer("'", `"`, "T", hold, "F", fail, "c:", `"conditions":`, "r:", `"rules":`,
		"ALL", `"type":"ALL"`, "ANY", `"type":"ANY"`, "NONE", `"type":"NONE"`, "XOR", `"type":"XOR"`)
	for _, c := range []struct {
		row   int
		rules string
		want  bool
	}{
		{176, `[]`, false},
		{177, `[{ALL}]`, true},
		{177, `[{ANY}]`, true},
		{177, `[{NONE}]`, true},
		{177, `[{ALL,c:[],r:[]}]`, true},
		{177, `[{ANY,c:[],r:[]}]`, true},
		{177, `[{NONE,c:null,r:null}]`, true},
		{178, `[{ANY,c:[T,F]}]`, true},
		{179, `[{ANY,c:[F,F]}]`, false},
		{180, `[{NONE,c:[F,F]}]`, true},
		{181, `[{NONE,c:[T,F]}]`, false},
		{182, `[{ANY,r:[{ALL,c:[T]},{ALL,c:[F]}]}]`, true},
		{183, `[{ALL,r:[{ALL,c:[T]},{ALL,c:[F]}]}]`, false},
		{184, `[{NONE,r:[{ALL,c:[T]},{ALL,c:[F]}]}]`, false},
		{185, `[{NONE,r:[{ALL,c:[F]},{ALL,c:[F]}]}]`, true},
		{186, `[{ANY,c:[T],r:[{ALL,c:[F]}]}]`, false},
		{187, `[{ANY,c:[F],r:[{ALL,c:[T]}]}]`, false},
		{188, `[{NONE,c:[F],r:[{ALL,c:[F]}]}]`, true},
		{189, `[{NONE,c:[F],r:[{ALL,c:[T]}]}]`, false},
		{190, `[{NONE,r:[{ALL}]}]`, false},
		{191, `[{ANY,r:[{ALL}]}]`, true},
		{192, `[{NONE,r:[{NONE,c:[T]}]}]`, true},
		{193, `[{ALL,r:[{ANY,r:[{NONE,c:[F]}]}]}]`, true},
		{194, `[{ALL,c:[T]},{ALL,c:[F]}]`, false},
		{195, `[{XOR,c:[T]}]`, false},
		{195, `[{XOR,r:[{ALL}]}]`, false},
		{196, `[{XOR}]`, true},
	} {
		t.Run(fmt.Sprintf("row %d %s", c.row, c.rules), func(t *testing.T) {
			requireMatch(t, c.want, probe{}.contextWith(expand.Replace(c.rules)), true)
		})
	}
}

// Beyond the tables: what sections 3.2 to 3.7 say of values that no row has.
func TestConditions(t *testing.T) {
	long := strings.Repeat("9", 5000)
	for _, c := range []struct {
		name  string
		trait string // JSON of trait t
		op    string
		value string // JSON
		want  bool
	}{
		{"unknown operator", `"a"`, "equal", `"a"`, false},
		{"operators of the API that the engine lacks", `"a"`, "LIKE", `"a"`, false},
		{"list for an operator that wants text", `"a"`, "EQUAL", `["a"]`, false},
		{"object as value", `"a"`, "IN", `{"a":"a"}`, false},
		{"IS_SET looks at no value", `"a"`, "IS_SET", `["a"]`, true},
		{"integers beyond int64", `9223372036854775808`, "GREATER_THAN", `"9223372036854775807"`, true},
		{"integers beyond int64, equal", `"123456789012345678901234567890"`, "EQUAL", `" +123456789012345678901234567890"`, true},
		{"integers beyond int64, negative", `-9223372036854775809`, "LESS_THAN", `"-9223372036854775808"`, true},
		{"longer negative integers are smaller", `-100000000000000000000`, "LESS_THAN", `"-99999999999999999999"`, true},
		{"of opposite sign", `-100000000000000000000`, "LESS_THAN", `"99999999999999999999"`, true},
		{"least int64", `-9223372036854775808`, "EQUAL", `"-9_223_372_036_854_775_808"`, true},
		{"integer beyond int64 in a set", `"0123456789012345678901234567890"`, "IN", `"123456789012345678901234567890"`, true},
		{"negative zero", `"-0"`, "IN", `"0"`, true},
		{"negative zero as JSON", `-0`, "IN", `"0"`, true},
		{"too many digits are set", `"` + long + `"`, "IS_SET", `""`, true},
		{"too many digits equal nothing", `"` + long + `"`, "EQUAL", `"` + long + `"`, false},
		{"too many digits match nothing", `"` + long + `"`, "REGEX", `".*"`, false},
		{"digits of other scripts in the condition", `12`, "EQUAL", `"\u0661\u0662"`, true},
		{"digits of other scripts in the trait are text", `"\u0661\u0662"`, "EQUAL", `"12"`, false},
		{"blanks of other scripts", `12`, "EQUAL", `"\u300012\u00a0"`, true},
		{"underscore at the end", `12`, "EQUAL", `"12_"`, false},
		{"two signs", `12`, "EQUAL", `"+ 12"`, false},
		{"infinity", `1e999`, "EQUAL", `"Infinity"`, true},
		{"negative infinity", `-1.5`, "GREATER_THAN", `"-inf"`, true},
		{"no hexadecimal floats", `1.0`, "EQUAL", `"0x1p0"`, false},
		{"nan and less", `1.5`, "LESS_THAN", `"nan"`, false},
		{"nan and equal", `1.5`, "EQUAL", `"nan"`, false},
		{"float with underscores", `1000.0`, "EQUAL", `"1_000.0"`, true},
		{"exponent", `1000.0`, "EQUAL", `"1E3"`, true},
		{"text of a small float", `0.00001`, "REGEX", `"^1e-05$"`, true},
		{"text of a float at the bound", `0.0001`, "REGEX", `"^0\\.0001$"`, true},
		{"text of a great float", `1e15`, "REGEX", `"^1000000000000000\\.0$"`, true},
		{"text of an integer beyond int64", `-123456789012345678901`, "REGEX", `"^-123456789012345678901$"`, true},
		{"text of a boolean in a split", `true`, "REGEX", `"^true$"`, false},
		{"boolean contains nothing", `true`, "NOT_CONTAINS", `"x"`, false},
		{"booleans are in no set", `true`, "IN", `"True"`, false},
		{"false is less than true", `false`, "LESS_THAN", `"x"`, true},
		{"true is not less", `true`, "LESS_THAN_INCLUSIVE", `"false"`, false},
		{"modulo of text", `"a"`, "MODULO", `"2|0"`, false},
		{"modulo by zero", `4.5`, "MODULO", `"0|0"`, false},
		{"modulo without a remainder", `4`, "MODULO", `"2"`, false},
		{"modulo of what", `4`, "MODULO", `""`, false},
		{"modulo by nan", `4`, "MODULO", `"nan|nan"`, false},
		{"modulo beyond floats", `1` + strings.Repeat("0", 400), "MODULO", `"2|0"`, false},
		{"modulo of infinity", `1e999`, "MODULO", `"2|0"`, false},
		{"negative by infinity", `-4`, "MODULO", `"inf|inf"`, true},
		{"fractions", `-0.5`, "MODULO", `"2|1.5"`, true},
		{"split of a list item", `"a"`, "IN", `"[\"a\"] "`, true},
		{"null in a list", `"None"`, "IN", `[null]`, true},
		{"float in a list", `"1.0"`, "IN", `[1.0]`, false},
		{"lists in a list are left out", `"['a']"`, "IN", `[["a"]]`, false},
		{"list of too many levels", `"a"`, "IN", `"` + strings.Repeat("[", 2000) + `"`, false},
		{"semver of a number", `1.2`, "EQUAL", `"1.2.0:semver"`, false},
		{"semver suffix in capitals", `"1.2.3"`, "EQUAL", `"1.2.3:SEMVER"`, false},
		{"semver build does not count", `"1.0.0+a"`, "EQUAL", `"1.0.0+b:semver"`, true},
		{"semver with an empty build", `"1.0.0+"`, "EQUAL", `"1.0.0:semver"`, false},
		{"semver with an empty pre-release", `"1.0.0-"`, "EQUAL", `"1.0.0:semver"`, false},
		{"semver with a zero in front", `"1.0.0-01"`, "LESS_THAN", `"1.0.0:semver"`, false},
		{"semver build with a zero in front", `"1.0.0+01"`, "EQUAL", `"1.0.0:semver"`, true},
		{"semver longer pre-release wins", `"1.0.0-a.b"`, "GREATER_THAN", `"1.0.0-a:semver"`, true},
		{"semver numbers before words", `"1.0.0-1"`, "LESS_THAN", `"1.0.0-a:semver"`, true},
		{"semver pre-release with a dash", `"1.0.0-a-b"`, "GREATER_THAN", `"1.0.0-a:semver"`, true},
		{"semver build contains", `"1.0.0+b1"`, "CONTAINS", `"b1:semver"`, true},
		{"semver contains no number", `"1.0.0"`, "CONTAINS", `"1:semver"`, false},
		{"semver contains nothing", `"1.0.0"`, "CONTAINS", `":semver"`, false},
		{"semver contains in what is none", `"abc"`, "CONTAINS", `"abc:semver"`, false},
		{"semver is no pattern", `"1.2.3"`, "REGEX", `"1.2.3:semver"`, false},
		{"semver greater", `"1.10.0"`, "GREATER_THAN", `"1.9.9:semver"`, true},
		{"semver less or equal", `"1.9.9-rc.1"`, "LESS_THAN_INCLUSIVE", `"1.9.9:semver"`, true},
		{"number as value", `5`, "EQUAL", `5`, true},
		{"number as value, against text", `"a5"`, "NOT_EQUAL", `5`, true},
		{"true as value", `"True x"`, "CONTAINS", `true`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := probe{traits: `{"t":` + c.trait + `}`, property: "t", operator: c.op, value: c.value}
			requireMatch(t, c.want, p.context(), true)
		})
	}
}

// Objects and lists as traits are set, and match nothing.
func TestOpaqueTraits(t *testing.T) {
	for operator, want := range map[string]bool{
		"IS_SET": true, "IS_NOT_SET": false, "EQUAL": false, "NOT_EQUAL": false, "NOT_CONTAINS": false, "REGEX": false, "IN": false,
		"MODULO": false, "PERCENTAGE_SPLIT": false, "LESS_THAN": false,
	} {
		t.Run(operator, func(t *testing.T) {
			for _, trait := range []string{`{}`, `[]`, `["100"]`} {
				p := probe{traits: `{"t":` + trait + `}`, property: "t", operator: operator, value: `"100"`}
				requireMatch(t, want, p.context(), false)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	traits := `{"a":1,"b":{"c":[10,20,{"d":"x"}]},"e":null,"k.1":"dot","f-g":"dash","😀":"smile"}`
	for _, c := range []struct {
		name, path string
		equal      string // what the first node equals; "" for none
	}{
		{"index", "$.identity.traits.b.c[1]", "20"},
		{"negative index", "$.identity.traits.b.c[-2]", "20"},
		{"index of nothing", "$.identity.traits.b.c[7]", ""},
		{"slice", "$.identity.traits.b.c[1:]", "20"},
		{"slice backwards", "$.identity.traits.b.c[1::-1]", "20"},
		{"slice without a step", "$.identity.traits.b.c[::0]", ""},
		{"wildcard in a list", "$.identity.traits.b.c[*]", "10"},
		{"two names", "$.identity.traits['nope','a']", "1"},
		{"descendants, in order", "$.identity.traits..[0]", "10"},
		{"descendant name", "$..d", "x"},
		{"filter", "$.identity.traits.b.c[?@ > 10]", "20"},
		{"filter with a path of its own", "$.identity.traits.b.c[?@.d == 'x'].d", "x"},
		{"filter from the root", "$.identity.traits.b.c[?$.identity.traits.a == 1]", "10"},
		{"length", "$.identity.traits.b.c[?length(@.d) == 1].d", "x"},
		{"count", "$.identity.traits[?count(@.c[*]) == 3].c[0]", "10"},
		{"object", "$.identity.traits.b", ""},
		{"null", "$.identity.traits.e", ""},
		{"first node is an object", "$.identity.traits.b.c[2,0]", ""},
		{"key of the identity", "$.identity['key']", "env_id1"},
		{"name in brackets", `$.identity["traits"]['k.1']`, "dot"},
		{"escaped name", `$.identity.traits['\u006b.1']`, "dot"},
		{"a segment", "$.segments['1'].name", "s"},
		{"a condition", "$.segments['1'].rules[0].conditions[0].operator", "EQUAL"},
		{"the environment", "$.environment.nope", ""},
		{"name with a dash", "$.identity.traits.f-g", "dash"},
		{"descendant name with a dash", "$..f-g", "dash"},
		{"name with a dash in a filter", "$.identity[?@.f-g == 'dash'].a", "1"},
		{"name with a dash and escapes in quotes", `$.identity.traits['\'.f-g', 'f-g']`, "dash"},
		{"name above U+FFFF", "$.identity.traits.😀", ""},
		{"name above U+FFFF in quotes", "$.identity.traits['😀']", "smile"},
		{"unclosed quotes", "$.identity.traits['a", ""},
		{"regular expressions are not offered", "$.identity.traits[?match(@, 'x')]", ""},
		{"a path too long", "$.identity.traits" + strings.Repeat("..*", 200), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := probe{traits: traits, property: c.path, operator: "IS_NOT_SET", value: `""`}
			if c.equal != "" {
				p.operator, p.value = "EQUAL", quote(c.equal)
			}
			requireMatch(t, true, p.context(), false)
		})
	}
}

// A path may not cost more than its bounds, however it multiplies.
func TestHostilePaths(t *testing.T) {
	var traits strings.Builder
	traits.WriteString(`{"deep":` + strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400))
	for i := range 2000 {
		fmt.Fprintf(&traits, `,"t%d":[1,2,3]`, i)
	}
	traits.WriteString("}")
	for _, path := range []string{
		"$..*..*..*..*..nope",
		"$..a..a..a..a..a..nope",
		"$" + strings.Repeat("..*", 100),
		"$.identity.traits[*,*,*,*][*,*,*,*]..[*,*].nope",
		"$..[?@..[?@..[?@..nope]]]",
		"$..[?count(@..*) > 1000000]",
		"$..[?" + strings.Repeat("!", 1) + strings.Repeat("(", 200) + "@.a" + strings.Repeat(")", 200) + "].nope",
		"$.identity.traits[?@[?@[?@ == 9]]].nope",
		"$..[0:9007199254740991:1]..nope",
	} {
		p := probe{traits: traits.String(), property: path, operator: "IS_NOT_SET", value: `""`}
		requireMatch(t, true, p.context(), false)
	}
}
