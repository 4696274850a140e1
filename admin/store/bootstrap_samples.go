package store

import (
	"context"
	"encoding/json"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// The samples show every kind of value, both kinds of override and both kinds of key, as a shop might use them.
var sampleFeatures = []NewFeature{
	{Name: "dark_mode", DefaultEnabled: true, Description: new("Lets people choose a dark theme.")},
	{Name: "new_checkout", Description: new("The one-page checkout. On in Development, for beta testers in Production.")},
	{
		Name: "banner_text", DefaultEnabled: true, InitialValue: new("Free delivery from 50"),
		Description: new("Text above every page."),
	},
	{
		Name: "items_per_page", DefaultEnabled: true, InitialValue: new("24"),
		Description: new("An integer; premium customers see more."),
	},
	{
		Name: "reviews_moderated", DefaultEnabled: true, InitialValue: new("true"),
		Description: new("A boolean value, beside being on or off."),
	},
	{
		Name: "theme", DefaultEnabled: true, InitialValue: new(`{"primary":"#0b6e4f","radius":6,"font":"Inter"}`),
		Description: new("JSON is text to Flagstaff; the application parses it."),
	},
	{
		Name: "fraud_score_limit", DefaultEnabled: true, InitialValue: new("80"), ServerKeyOnly: true,
		Description: new("Only server-side keys see this one."),
	},
	{
		Name: "button_colour", DefaultEnabled: true, InitialValue: new("blue"),
		Description: new("An A/B/C test: half of all identities keep blue."),
		Options: []NewOption{
			{Key: new("green"), Value: flagsmith.StringValue("green"), Allocation: 30},
			{Key: new("orange"), Value: flagsmith.StringValue("orange"), Allocation: 20},
		},
	},
	{
		Name: "recommendations", InitialValue: new("bestsellers"),
		Description: new("Which list is recommended. Rolled out to a tenth of all identities in Production."),
		Options: []NewOption{
			{Key: new("personal"), Value: flagsmith.StringValue("personal"), Allocation: 50},
		},
	},
}

const (
	samplePremium = "premium_customers"
	sampleBeta    = "beta_testers"
	sampleTenth   = "tenth_of_identities"
)

var sampleSegments = []NewSegment{
	{
		Name: samplePremium, Description: new("Trait plan is premium."),
		Rules: sampleRule("EQUAL", "premium", new("plan")),
	},
	{
		Name: sampleBeta, Description: new("Trait email is an address at example.com."),
		Rules: sampleRule("REGEX", `^[^@]+@example\.com$`, new("email")),
	},
	{
		Name: sampleTenth, Description: new("The same 10 % of all identities, always."),
		Rules: sampleRule("PERCENTAGE_SPLIT", "10", nil),
	},
}

// sampleRule is one condition in the two levels that the dashboard draws.
func sampleRule(operator, value string, property *string) []flagsmith.Rule {
	text, err := json.Marshal(value)
	if err != nil {
		panic("BUG: " + err.Error()) // a string
	}
	return []flagsmith.Rule{{Type: "ALL", Rules: []flagsmith.Rule{{
		Type:       "ANY",
		Conditions: []flagsmith.Condition{{Operator: operator, Value: text, Property: property}},
	}}}}
}

// sampleIdentity has an override in Development.
const sampleIdentity = "demo@example.com"

func (t *tx) createSamples(ctx context.Context, projectID, development, production int64) error {
	features := map[string]Feature{}
	for _, p := range sampleFeatures {
		p.ProjectID = projectID
		f, err := t.createFeature(ctx, p)
		if err != nil {
			return err
		}
		features[p.Name] = f
	}
	segments := map[string]int64{}
	for _, p := range sampleSegments {
		p.ProjectID = projectID
		id, err := t.createSegment(ctx, p)
		if err != nil {
			return err
		}
		segments[p.Name] = id
	}
	for _, name := range []string{"new_checkout", "recommendations"} {
		if err := t.updateState(ctx, features[name].StateIDs[development], StateUpdate{Enabled: new(true)}); err != nil {
			return err
		}
	}
	thanks := NewState{Enabled: true, Value: flagsmith.StringValue("Thank you for being premium")}
	longPages := NewState{Enabled: true, Value: flagsmith.IntValue(96)}
	for _, o := range []struct {
		environmentID    int64
		feature, segment string
		state            NewState
	}{
		{development, "banner_text", samplePremium, thanks},
		{production, "banner_text", samplePremium, thanks},
		{development, "items_per_page", samplePremium, longPages},
		{production, "items_per_page", samplePremium, longPages},
		{production, "new_checkout", sampleBeta, NewState{Enabled: true}},
		{production, "recommendations", sampleTenth, NewState{
			Enabled: true, Value: flagsmith.StringValue("bestsellers"),
			Weights: []Weight{{OptionID: features["recommendations"].OptionIDs[0], Allocation: 50}},
		}},
	} {
		_, err := t.createSegmentOverride(ctx, NewSegmentOverride{
			EnvironmentID: o.environmentID, FeatureID: features[o.feature].ID, SegmentID: segments[o.segment], State: o.state,
		})
		if err != nil {
			return err
		}
	}
	_, err := t.createIdentityOverride(ctx, NewIdentityOverride{
		EnvironmentID: development, Identifier: sampleIdentity, FeatureID: features["banner_text"].ID,
		State: NewState{Enabled: true, Value: flagsmith.StringValue("Hello from an identity override")},
	})
	return err
}
