package main

import "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"

// segment is a named set of identities. e2e/lib/population.js draws traits with which each has some and not all.
type segment struct {
	name  string
	rules []flagsmith.Rule
}

// feature is a feature with its default state.
type feature struct {
	name          string
	enabled       bool
	value         flagsmith.Value
	variants      []variant
	serverKeyOnly bool
}

type variant struct {
	key    *string
	value  flagsmith.Value
	weight float64
}

// state is what an override gives. Weights are in the order of the feature's variants.
type state struct {
	enabled bool
	value   flagsmith.Value
	weights []float64
}

type segmentOverride struct {
	feature, segment string
	priority         *int // nil: behind those before it
	state            state
}

type identityOverride struct {
	identifier string
	states     []stateOf
}

type stateOf struct {
	feature string
	state   state
}

// segments use every operator on every kind of trait, as far as flagsmith-nodejs evaluates them as the reference does: what is
// left out, and why, is listed in e2e/lib/population.js.
var segments = []segment{
	{"equal_text", only("plan", "EQUAL", "pro")},
	{"equal_number", only("age", "EQUAL", "42")},
	{"equal_truth", only("beta", "EQUAL", "true")},
	{"not_equal_text", only("plan", "NOT_EQUAL", "free")},
	{"not_equal_number", only("age", "NOT_EQUAL", "18")},
	{"greater", only("age", "GREATER_THAN", "30")},
	{"greater_or_equal", only("age", "GREATER_THAN_INCLUSIVE", "18")},
	{"less", only("score", "LESS_THAN", "12.5")},
	{"less_or_equal", only("score", "LESS_THAN_INCLUSIVE", "-1.25")},
	{"after_in_the_alphabet", only("city", "GREATER_THAN_INCLUSIVE", "M")},
	{"contains", only("email", "CONTAINS", "@example.")},
	{"contains_beyond_ascii", only("nickname", "CONTAINS", "\U0001f600")},
	{"not_contains", only("email", "NOT_CONTAINS", "+")},
	{"regex_text", only("email", "REGEX", `^[a-z.]+@example\.(?:com|org)$`)},
	{"regex_number", only("age", "REGEX", `^[1-3][0-9]$`)},
	{"in_text", only("country", "IN", "DE,AT,CH")},
	{"in_list", only("country", "IN", `["FR","IT","a,b"]`)},
	{"in_numbers", only("age", "IN", "18,21,42")},
	{"modulo", only("visits", "MODULO", "3|1")},
	{"modulo_fraction", only("visits", "MODULO", "2.5|0.5")},
	{"is_set", only("plan", "IS_SET", "")},
	{"is_not_set", only("email", "IS_NOT_SET", "")},
	{"third_of_identities", only("", "PERCENTAGE_SPLIT", "33.3")},
	{"nobody_by_split", only("", "PERCENTAGE_SPLIT", "-1")},
	{"split_by_identifier", only("$.identity.identifier", "PERCENTAGE_SPLIT", "40")},
	{"split_by_key", only("$.identity.key", "PERCENTAGE_SPLIT", "60")},
	{"split_by_cohort", only("$.identity.traits.cohort", "PERCENTAGE_SPLIT", "62.5")},
	{"semver_range", []flagsmith.Rule{rule("ALL",
		rule("ALL",
			condition("app_version", "GREATER_THAN_INCLUSIVE", "1.4.0:semver"),
			condition("app_version", "LESS_THAN", "2.0.0:semver")))}},
	{"semver_equal", only("app_version", "EQUAL", "1.4.0:semver")},
	{"semver_prerelease", only("app_version", "GREATER_THAN", "2.0.0-alpha.9:semver")},
	{"semver_at_most", only("app_version", "LESS_THAN_INCLUSIVE", "1.4.0-rc.1:semver")},
	{"semver_not_equal", only("api_version", "NOT_EQUAL", "2.0.0:semver")},
	{"trait_by_path", only("$.identity.traits.plan", "EQUAL", "team")},
	{"trait_by_quoted_path", only("$.identity.traits['plan']", "IN", "team,enterprise")},
	{"identifier_by_path", only("$.identity.identifier", "REGEX", "^[a-m]")},
	{"identifier_anywhere", only("$..identifier", "CONTAINS", "@")},
	{"environment_by_path", []flagsmith.Rule{rule("ALL",
		rule("ALL", condition("$.environment.name", "EQUAL", environmentName), condition("age", "LESS_THAN", "20")))}},
	{"none_of", []flagsmith.Rule{rule("ALL",
		rule("NONE", condition("plan", "EQUAL", "free"), condition("country", "IN", "US,FR"), condition("age", "LESS_THAN_INCLUSIVE", "10")))}},
	{"none_of_rules", []flagsmith.Rule{rule("NONE",
		rule("ALL", condition("plan", "EQUAL", "pro"), condition("beta", "EQUAL", "true")),
		rule("ALL", condition("country", "EQUAL", "DE")))}},
	{"any_of_rules", []flagsmith.Rule{rule("ANY",
		rule("ALL", condition("age", "GREATER_THAN", "40"), condition("email", "IS_SET", "")),
		rule("NONE", condition("plan", "IS_SET", ""), condition("email", "IS_SET", "")),
		rule("ANY", condition("city", "EQUAL", "Zürich"), condition("city", "EQUAL", "M")))}},
	{"conditions_and_rules", []flagsmith.Rule{
		rule("ANY", condition("plan", "EQUAL", "pro"), condition("plan", "EQUAL", "team"),
			rule("ANY", condition("age", "GREATER_THAN", "20")), rule("ALL", condition("beta", "EQUAL", "true"))),
		rule("ALL", rule("ANY", condition("", "PERCENTAGE_SPLIT", "80")))}},
	{"everybody", []flagsmith.Rule{rule("ALL")}},
	{"nobody_by_rules", []flagsmith.Rule{}},
}

// probeValues are the default and the override of the features that show one segment each.
var probeValues = [][2]flagsmith.Value{
	{text("out"), text("in")}, {number(0), number(1)}, {truth(false), truth(true)}, {null, text("")}, {text("1.50"), number(-2147483648)},
	{number(2147483647), null}, {text("true"), truth(true)}, {text(`{"a":[1,"<b>&"]}`), text("Gr\u00fc\u00dfe \u2013 \U0001f600\u2028\x01")},
}

// contested features have several overrides, variants, or names that need care on their way.
var contested = []feature{
	{name: "Mixed Case & <Name>", enabled: true, value: text("spelt with care")},
	{name: "gr\u00f6\u00dfe/\u540d\u524d?a=b", enabled: true, value: null},
	{name: "live", enabled: true, value: text("set changes this one, in the other environment")},
	{name: "only_for_servers", enabled: true, value: number(7), serverKeyOnly: true},
	{name: "two_segments", enabled: true, value: text("default")},
	{name: "many_segments", value: text("default")},
	{name: "inserted_first", enabled: true, value: number(1)},
	{name: "half", enabled: true, value: text("control"), variants: []variant{{new("other"), text("other"), 50}}},
	{name: "thirds", enabled: true, value: text("control"), variants: []variant{
		{new("a"), text("a"), 33.33}, {new("b"), text("b"), 33.33}, {new("c"), text("c"), 33.33}}},
	{name: "kinds", enabled: true, value: null, variants: []variant{
		{new("text"), text("5"), 20}, {new("number"), number(5), 20}, {nil, truth(true), 20}, {nil, text(""), 20}}},
	{name: "zero_and_rest", enabled: true, value: number(0), variants: []variant{
		{new("never"), number(1), 0}, {new("always"), number(2), 100}}},
	{name: "off_with_variants", value: text("control"), variants: []variant{{new("x"), text("x"), 10.5}, {new("y"), text("y"), 0.5}}},
	{name: "variants_by_segment", enabled: true, value: text("control"), variants: []variant{
		{new("left"), text("left"), 25}, {new("right"), text("right"), 25}}},
	{name: "variants_dropped", enabled: true, value: text("control"), variants: []variant{{new("v"), text("v"), 90}}},
	{name: "variants_by_identity", enabled: true, value: number(1), variants: []variant{
		{new("two"), number(2), 30}, {new("three"), number(3), 30}}},
}

func allFeatures() []feature {
	all := make([]feature, 0, len(segments)+len(contested))
	for i, s := range segments {
		values := probeValues[i%len(probeValues)]
		all = append(all, feature{name: "probe_" + s.name, enabled: i%3 != 0, value: values[0]})
	}
	return append(all, contested...)
}

var contestedOverrides = []segmentOverride{
	{"two_segments", "greater", nil, on(text("over thirty"))},
	{"two_segments", "contains", nil, off(text("at example"))},
	{"many_segments", "third_of_identities", nil, on(text("third"))},
	{"many_segments", "equal_text", nil, on(text("pro"))},
	{"many_segments", "not_contains", nil, off(text("no plus"))},
	{"many_segments", "in_text", nil, on(number(3))},
	{"many_segments", "everybody", nil, on(truth(true))},
	{"many_segments", "is_not_set", nil, on(text("never seen: everybody comes before"))},
	{"inserted_first", "greater_or_equal", nil, on(number(2))},
	{"inserted_first", "is_set", nil, on(number(3))},
	{"inserted_first", "equal_truth", new(0), on(number(4))},
	{"inserted_first", "in_list", new(1), off(number(5))},
	{"half", "equal_text", nil, on(text("pro control"), 10)},
	{"half", "split_by_key", nil, on(text("split control"), 90)},
	{"thirds", "in_text", nil, on(text("control"), 0, 100, 0)},
	{"thirds", "semver_range", nil, off(text("new app"), 12.5, 12.5, 75)},
	{"variants_by_segment", "greater", nil, on(text("older control"), 45, 45)},
	{"variants_by_segment", "contains", nil, on(text("example control"), 5, 5)},
	{"variants_by_segment", "equal_truth", nil, off(null, 99.9)},
	{"variants_dropped", "modulo", nil, on(text("no variants here"))},
}

func allSegmentOverrides() []segmentOverride {
	all := make([]segmentOverride, 0, len(segments)+len(contestedOverrides))
	for i, s := range segments {
		value := probeValues[i%len(probeValues)][1]
		all = append(all, segmentOverride{"probe_" + s.name, s.name, nil, state{enabled: i%3 == 0 || i%2 == 0, value: value}})
	}
	return append(all, contestedOverrides...)
}

// identityOverrides have identifiers as they come. One with a comma is left out: flagsmith-nodejs joins identifiers by commas
// (engine spec 7.5, rows 242 and 243).
var identityOverrides = []identityOverride{
	{"anna@example.com", []stateOf{{"two_segments", on(text("anna"))}}},
	{"bob@example.com", []stateOf{{"two_segments", on(text("bob"))}, {"many_segments", off(null)}, {"half", on(text("bob's own"))}}},
	{"carla+test@example.org", []stateOf{{"probe_everybody", off(text("not carla"))}}},
	{"dora", []stateOf{{"only_for_servers", on(number(8))}}},
	{"emil", []stateOf{{"kinds", on(truth(false))}}},
	{"fritz", []stateOf{{"Mixed Case & <Name>", off(text("Fritz & <Co>"))}}},
	{"gerda", []stateOf{{"gr\u00f6\u00dfe/\u540d\u524d?a=b", on(text("42"))}}},
	{"same-1", []stateOf{{"inserted_first", on(number(100))}, {"thirds", on(text("same"))}}},
	{"same-2", []stateOf{{"thirds", on(text("same"))}, {"inserted_first", on(number(100))}}},
	{"same-but-text", []stateOf{{"inserted_first", on(text("100"))}, {"thirds", on(text("same"))}}},
	{"one", []stateOf{{"probe_is_set", on(number(1))}}},
	{"truth", []stateOf{{"probe_is_set", on(truth(true))}}},
	{"empty", []stateOf{{"probe_is_set", on(text(""))}}},
	{"nothing", []stateOf{{"probe_is_set", off(null)}}},
	{"zero", []stateOf{{"probe_is_set", on(number(0))}}},
	{"split-1", []stateOf{{"variants_by_identity", on(number(10), 50, 50)}}},
	{"split-2", []stateOf{{"variants_by_identity", on(number(10), 10, 20)}}},
	{"split-3", []stateOf{{"variants_by_identity", off(number(10), 0, 100)}, {"half", on(text("x"), 100)}}},
	{"split-4", []stateOf{{"variants_by_identity", on(number(10))}}},
	{"split-5", []stateOf{{"off_with_variants", on(text("five"), 40, 40)}}},
	{"1234", []stateOf{{"two_segments", on(text("a number as identifier"))}}},
	{"-5", []stateOf{{"two_segments", on(text("a negative one"))}}},
	{"007", []stateOf{{"two_segments", on(text("bond"))}}},
	{"tama\u00f1o", []stateOf{{"two_segments", on(text("beyond ASCII"))}}},
	{"\U0001f600", []stateOf{{"two_segments", on(text("beyond the first plane"))}}},
	{"two words", []stateOf{{"two_segments", on(text("with a blank"))}}},
	{`"quoted" \ <tag>`, []stateOf{{"two_segments", on(text("with quotes"))}}},
	{"a&b=c?d#e%20f/g", []stateOf{{"two_segments", on(text("with what URLs reserve"))}}},
	{"Anna@example.com", []stateOf{{"two_segments", on(text("not anna"))}}},
	{"long-" + longTail, []stateOf{{"two_segments", on(text("long"))}}},
	{"$.identity.identifier", []stateOf{{"two_segments", on(text("a path"))}}},
}

// longTail makes an identifier of 2,000 characters, the most there are.
var longTail = func() string {
	b := make([]byte, 1995)
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[i%36]
	}
	return string(b)
}()
