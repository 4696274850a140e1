package main

import (
	"encoding/json"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// segments are those of the environment, over most operators. About half of them have overrides, which is what makes them
// cost something: a segment without one is never evaluated.
var segments = []struct {
	name      string
	overrides int // how many features it overrides
	rules     []flagsmith.Rule
}{
	{"enterprise_customers", 4, allOf(anyOf(is("plan", "EQUAL", "enterprise")))},
	{"paying_customers", 3, allOf(anyOf(is("plan", "IN", "starter,business,enterprise")))},
	{"european_union", 3, allOf(anyOf(is("country", "IN", []string{"DE", "FR", "PL", "ES", "IT", "NL", "BE", "AT", "SE", "DK"})))},
	{"staff", 2, allOf(anyOf(is("email", "REGEX", `^[a-z.0-9]+@(example|acme)\.(com|test)$`)))},
	{"tenth_of_customers", 3, allOf(anyOf(is("", "PERCENTAGE_SPLIT", "10")))},
	{"beta_testers", 2, allOf(anyOf(is("beta_opt_in", "EQUAL", "true")), anyOf(is("", "PERCENTAGE_SPLIT", "50")))},
	{"current_apps", 2, allOf(anyOf(is("app_version", "GREATER_THAN_INCLUSIVE", "5.0.0:semver")))},
	{"large_teams", 2, allOf(anyOf(is("seats", "GREATER_THAN", "100")), noneOf(is("plan", "EQUAL", "free")))},
	{"mobile", 2, allOf(anyOf(is("device", "EQUAL", "ios"), is("device", "EQUAL", "android")))},
	{"business_abroad", 2, allOf(anyOf(is("plan", "CONTAINS", "business")), anyOf(is("country", "NOT_EQUAL", "US")))},
	{"odd_seats", 1, allOf(anyOf(is("seats", "MODULO", "2|1")))},

	{"old_apps", 0, allOf(anyOf(is("app_version", "LESS_THAN", "4.0.0:semver")))},
	{"english_speakers", 0, allOf(anyOf(is("locale", "REGEX", "^en-")))},
	{"newsletter", 0, allOf(anyOf(is("email", "CONTAINS", "newsletter")))},
	{"no_email", 0, allOf(anyOf(is("email", "IS_NOT_SET", nil)))},
	{"known_device", 0, allOf(anyOf(is("device", "IS_SET", nil)))},
	{"big_spenders", 0, allOf(anyOf(is("lifetime_value", "GREATER_THAN", "5000.5")))},
	{"recent_signups", 0, allOf(anyOf(is("signup_year", "GREATER_THAN_INCLUSIVE", "2024")))},
	{"not_partners", 0, allOf(anyOf(is("email", "NOT_CONTAINS", "partner")))},
	{"half_of_customers", 0, allOf(anyOf(is("", "PERCENTAGE_SPLIT", "50")))},
}

// allOf, anyOf and noneOf make rules; is makes a condition. A dashboard makes one rule of rules with conditions in them.
func allOf(rules ...flagsmith.Rule) []flagsmith.Rule {
	return []flagsmith.Rule{{Type: "ALL", Rules: rules}}
}

func anyOf(conditions ...flagsmith.Condition) flagsmith.Rule {
	return flagsmith.Rule{Type: "ANY", Conditions: conditions}
}

func noneOf(conditions ...flagsmith.Condition) flagsmith.Rule {
	return flagsmith.Rule{Type: "NONE", Conditions: conditions}
}

func is(property, operator string, value any) flagsmith.Condition {
	text, err := json.Marshal(value)
	if err != nil {
		panic("BUG: condition value is no JSON: " + err.Error())
	}
	c := flagsmith.Condition{Operator: operator, Value: text}
	if property != "" {
		c.Property = &property
	}
	return c
}
