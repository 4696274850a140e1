package flagsmith_test

import (
	"encoding/json"
	"time"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// The keys of the test environment. "clientkey1" is the one for which the spec gives hashes (3.4).
const (
	clientKey = "clientkey1"
	serverKey = "ser.serverkey1"
)

const shopID = 12

var shopUpdated = time.Date(2026, 3, 1, 10, 0, 0, 123456000, time.UTC)

// shop is the environment of most tests, with something of everything:
//
//	checkout      on, no value; the identity vip has an override: off
//	banner_text   multivariate: friendly 30 %, an option without a key 40 %, else control; segment premium overrides it
//	secret_rate   server keys only; an integer
//	old_menu      off, and hard to encode
//	beta          on, true; segment half overrides it (percentage split)
//
// With the spec's hashes bob (34.29) gets the option without a key, vip (93.66) control.
func shop(edit ...func(*engine.Document)) *engine.Document {
	premium := segment(11, "premium", condition("EQUAL", "plan", `"premium"`))
	premium.FeatureStates = []engine.FeatureState{overriding(state(102, "banner_text", "MULTIVARIATE", 733, true, `"hello, premium"`), 88, 0)}
	half := segment(13, "half", condition("PERCENTAGE_SPLIT", "", `"50"`))
	half.FeatureStates = []engine.FeatureState{overriding(state(105, "beta", "STANDARD", 734, false, `false`), 89, 1)}
	described := segment(14, "described", condition("IS_SET", "age", `null`))
	described.Description = ptr("has an age")

	doc := &engine.Document{
		ID:     shopID,
		APIKey: clientKey,
		Name:   "Production",
		Project: engine.Project{
			ID: 7, Name: "Shop",
			Organisation:           engine.Organisation{ID: 2, Name: "Acme", PersistTraitData: true},
			Segments:               []engine.Segment{premium, half, described},
			ServerKeyOnlyFeatureID: []int64{103},
		},
		FeatureStates: []engine.FeatureState{
			state(101, "checkout", "STANDARD", 501, true, `null`),
			state(102, "banner_text", "MULTIVARIATE", 502, true, `"hello"`),
			state(103, "secret_rate", "STANDARD", 503, true, `42`),
			state(104, "old_menu", "STANDARD", 504, false, `"Grüße <b>&amp;</b> 🎈"`),
			state(105, "beta", "STANDARD", 505, true, `true`),
		},
		IdentityOverrides: []engine.IdentityOverride{{
			Identifier: "vip", EnvironmentKey: clientKey, IdentityID: 4, CompositeKey: clientKey + "_vip",
			IdentityUUID: "9a1c2f6e-3a52-4b4f-8f0d-5a2c3b1d0e77", CreatedDate: time.Date(2026, 2, 1, 8, 0, 0, 417201000, time.UTC),
			Features: []engine.FeatureState{state(101, "checkout", "STANDARD", 911, false, `"for vip"`)},
		}},
		AllowClientTraits:                 true,
		UpdatedAt:                         shopUpdated,
		UseIdentityCompositeKeyForHashing: true,
		UseIdentityOverridesInLocalEval:   true,
		Core:                              true,
		Version:                           1,
	}
	core(doc, 0, &engine.FeatureCore{CreatedDate: time.Date(2026, 1, 12, 9, 30, 11, 482913000, time.UTC), Description: ptr("New checkout flow")})
	core(doc, 1, &engine.FeatureCore{CreatedDate: time.Date(2026, 1, 12, 9, 31, 40, 511000, time.UTC), InitialValue: ptr("hello"), DefaultEnabled: true})
	core(doc, 2, &engine.FeatureCore{CreatedDate: time.Date(2026, 1, 12, 9, 32, 0, 0, time.UTC), InitialValue: ptr("42")})
	core(doc, 3, &engine.FeatureCore{CreatedDate: time.Date(2026, 1, 12, 9, 33, 0, 0, time.UTC), Description: ptr("naïve <menu>")})
	core(doc, 4, &engine.FeatureCore{CreatedDate: time.Date(2026, 1, 12, 9, 34, 0, 0, time.UTC)})
	banner := &doc.FeatureStates[1]
	banner.HashingSeed = 41
	banner.Variants = []engine.MultivariateValue{
		variant(61, 31, 30, `"hi there"`, ptr("friendly")),
		variant(62, 32, 40, `"good day"`, nil),
	}
	for _, f := range edit {
		f(doc)
	}
	return doc
}

// empty is an environment without features.
func empty() *engine.Document {
	return shop(func(d *engine.Document) {
		d.FeatureStates, d.IdentityOverrides, d.Project.Segments, d.Project.ServerKeyOnlyFeatureID = nil, nil, nil, nil
	})
}

func state(id int64, name, kind string, row int64, enabled bool, value string) engine.FeatureState {
	return engine.FeatureState{
		Feature: engine.Feature{ID: id, Name: name, Type: kind}, Enabled: enabled, Value: json.RawMessage(value),
		HashingSeed: row, RowID: row, UUID: "5d688e14-4e5e-47e5-9c53-b452ac9e5f18",
	}
}

// overriding makes a state the override of a segment.
func overriding(s engine.FeatureState, link int64, priority float64) engine.FeatureState {
	s.FeatureSegment = &engine.FeatureSegment{ID: link, Priority: &priority}
	return s
}

func variant(id, option int64, percent float64, value string, key *string) engine.MultivariateValue {
	return engine.MultivariateValue{
		ID: id, Allocation: percent, UUID: "6d96689d-9b1b-4507-9894-b6a0903084f8",
		Option: engine.MultivariateOption{ID: option, Value: json.RawMessage(value), Key: key},
	}
}

// segment has one condition, in the nesting that Flagsmith's own forms make.
func segment(id int64, name string, c engine.Condition) engine.Segment {
	return engine.Segment{ID: id, Name: name, Rules: []engine.Rule{{
		Type: "ALL", Rules: []engine.Rule{{Type: "ANY", Conditions: []engine.Condition{c}}},
	}}}
}

func condition(operator, property, value string) engine.Condition {
	c := engine.Condition{Operator: operator, Value: json.RawMessage(value)}
	if property != "" {
		c.Property = &property
	}
	return c
}

func core(doc *engine.Document, feature int, c *engine.FeatureCore) {
	doc.FeatureStates[feature].Feature.Core = c
}

func ptr[T any](v T) *T { return &v }

// Edits of the shop.

func clientTraitsForbidden(d *engine.Document) { d.AllowClientTraits = false }
func traitsNotPersisted(d *engine.Document)    { d.Project.Organisation.PersistTraitData = false }
func sensitiveHidden(d *engine.Document)       { d.HideSensitiveData = true }
func realtimeOn(d *engine.Document)            { d.Project.EnableRealtimeUpdates = true }
func notComposite(d *engine.Document)          { d.UseIdentityCompositeKeyForHashing = false }
func servingStopped(d *engine.Document)        { d.Project.Organisation.StopServingFlags = true }

// hidesDisabled sets the project's switch and the environment's (nil: as the project says).
func hidesDisabled(project bool, environment *bool) func(*engine.Document) {
	return func(d *engine.Document) { d.Project.HideDisabledFlags, d.HideDisabledFlags = project, environment }
}
