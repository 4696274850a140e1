package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// environmentName is what a condition on $.environment.name compares with.
const environmentName = "Compare"

// filler makes the environment in which remote and local evaluation are compared.
type filler struct {
	store       *store.Store
	project     int64
	environment int64 // the one to compare
	features    map[string]store.Feature
	segments    map[string]int64
}

// fill adds an organisation of its own, so that what a first start made stays as it is.
func fill(ctx context.Context, st *store.Store, compareKey, liveKey string) error {
	f := filler{store: st, features: map[string]store.Feature{}, segments: map[string]int64{}}
	err := f.addProject(ctx, store.NewOrganisation{Name: "End to end"})
	if err != nil {
		return err
	}
	if f.environment, err = f.addEnvironment(ctx, environmentName, compareKey); err != nil {
		return err
	}
	if _, err = f.addEnvironment(ctx, "Live", liveKey); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{f.addSegments, f.addFeatures, f.addSegmentOverrides, f.addIdentityOverrides} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fillStopped adds an environment that is not served.
func fillStopped(ctx context.Context, st *store.Store, key string) error {
	f := filler{store: st}
	if err := f.addProject(ctx, store.NewOrganisation{Name: "Stopped", StopServingFlags: true}); err != nil {
		return err
	}
	_, err := f.addEnvironment(ctx, "Stopped", key)
	return err
}

func (f *filler) addProject(ctx context.Context, p store.NewOrganisation) error {
	organisation, err := f.store.CreateOrganisation(ctx, p)
	if err != nil {
		return err
	}
	f.project, err = f.store.CreateProject(ctx, store.NewProject{
		OrganisationID: organisation, Name: "End to end", EnableRealtimeUpdates: true,
	})
	return err
}

func (f *filler) addEnvironment(ctx context.Context, name, key string) (int64, error) {
	env, _, err := f.store.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: f.project, Name: name, APIKey: key})
	if err != nil {
		return 0, err
	}
	_, err = f.store.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env.ID, Name: "End to end", Key: "ser." + key})
	return env.ID, err
}

func (f *filler) addSegments(ctx context.Context) (err error) {
	for _, s := range segments {
		f.segments[s.name], _, err = f.store.CreateSegment(ctx, store.NewSegment{ProjectID: f.project, Name: s.name, Rules: s.rules})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) addFeatures(ctx context.Context) error {
	for _, p := range allFeatures() {
		options := make([]store.NewOption, len(p.variants))
		for i, v := range p.variants {
			options[i] = store.NewOption{Key: v.key, Value: v.value, Allocation: v.weight}
		}
		feature, _, err := f.store.CreateFeature(ctx, store.NewFeature{
			ProjectID: f.project, Name: p.name, Options: options, ServerKeyOnly: p.serverKeyOnly,
		})
		if err != nil {
			return err
		}
		f.features[p.name] = feature
		// Not by an initial value: that is text, and cannot say "the string 24".
		_, err = f.store.UpdateFeatureState(ctx, feature.StateIDs[f.environment], store.StateUpdate{Enabled: &p.enabled, Value: &p.value})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) addSegmentOverrides(ctx context.Context) error {
	for _, o := range allSegmentOverrides() {
		segment, ok := f.segments[o.segment]
		if !ok {
			return fmt.Errorf("override of %q: no segment %q", o.feature, o.segment)
		}
		state, err := f.state(o.feature, o.state)
		if err != nil {
			return err
		}
		_, _, err = f.store.CreateSegmentOverride(ctx, store.NewSegmentOverride{
			EnvironmentID: f.environment, FeatureID: f.features[o.feature].ID, SegmentID: segment, Priority: o.priority, State: state,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) addIdentityOverrides(ctx context.Context) error {
	for _, o := range identityOverrides {
		for _, of := range o.states {
			state, err := f.state(of.feature, of.state)
			if err != nil {
				return err
			}
			_, _, err = f.store.CreateIdentityOverride(ctx, store.NewIdentityOverride{
				EnvironmentID: f.environment, Identifier: o.identifier, FeatureID: f.features[of.feature].ID, State: state,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// state turns weights, which are in the order of the feature's variants, into those of the store.
func (f *filler) state(feature string, s state) (store.NewState, error) {
	made, ok := f.features[feature]
	if !ok || len(s.weights) > len(made.OptionIDs) {
		return store.NewState{}, fmt.Errorf("override of %q: no such feature, or more weights than variants", feature)
	}
	n := store.NewState{Enabled: s.enabled, Value: s.value}
	for i, w := range s.weights {
		n.Weights = append(n.Weights, store.Weight{OptionID: made.OptionIDs[i], Allocation: w})
	}
	return n, nil
}

// The words in which the tables are written.

func text(s string) flagsmith.Value  { return flagsmith.StringValue(s) }
func number(i int64) flagsmith.Value { return flagsmith.IntValue(i) }
func truth(b bool) flagsmith.Value   { return flagsmith.BoolValue(b) }

var null flagsmith.Value

func on(v flagsmith.Value, weights ...float64) state  { return state{true, v, weights} }
func off(v flagsmith.Value, weights ...float64) state { return state{false, v, weights} }

func condition(property, operator, value string) flagsmith.Condition {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic("BUG: " + err.Error()) // a string
	}
	return flagsmith.Condition{Operator: operator, Value: encoded, Property: &property}
}

// rule makes a rule of conditions and sub-rules.
func rule(quantifier string, parts ...any) flagsmith.Rule {
	// No nil lists: an SDK may not survive null in a document.
	r := flagsmith.Rule{Type: quantifier, Rules: []flagsmith.Rule{}, Conditions: []flagsmith.Condition{}}
	for _, part := range parts {
		switch part := part.(type) {
		case flagsmith.Condition:
			r.Conditions = append(r.Conditions, part)
		case flagsmith.Rule:
			r.Rules = append(r.Rules, part)
		default:
			panic(fmt.Sprintf("BUG: a rule has no part %T", part))
		}
	}
	return r
}

// only is one condition in the two levels that the dashboard draws.
func only(property, operator, value string) []flagsmith.Rule {
	return []flagsmith.Rule{rule("ALL", rule("ANY", condition(property, operator, value)))}
}
