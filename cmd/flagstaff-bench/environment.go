package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/bench"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// The shape of the environment, and the seed of all that is random in it.
const (
	numFeatures     = 100
	numMultivariate = 10
	numPeople       = 2000
	seed            = 20
)

// describe says what createEnvironment makes, for the report.
const describe = "100 features (10 multivariate, 8 with JSON values, most with a description), 20 segments (11 of them with " +
	"26 overrides), 12 identities with overrides, 2,000 stored identities with 5 traits (asked for Zipf-distributed), 2,000 " +
	"transient ones with 10"

// The keys are as long as those that the server makes: the client's is part of what is hashed for each percentage.
const (
	clientKey = "Bq3kWz8nVh5tRy2mXc7pLd"
	serverKey = "ser.Gf6jMs4bTk9wNq5xHv2rYe"
)

// created is an environment in a database.
type created struct {
	environmentID int64
	site          bench.Site
}

// createEnvironment fills an empty database.
func createEnvironment(ctx context.Context, st *store.Store) (*created, error) {
	b := builder{ctx: ctx, st: st, random: rand.New(rand.NewPCG(seed, 0)), features: map[string]store.Feature{}, segments: map[string]int64{}}
	c := &created{site: bench.Site{
		ClientKey: clientKey,
		ServerKey: serverKey,
		Stored:    bench.Population(seed, numPeople),
		Visitors:  bench.Visitors(seed, numPeople),
	}}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"project", b.project},
		{"features", b.createFeatures},
		{"segments", b.createSegments},
		{"segment overrides", b.createSegmentOverrides},
		{"identities", func() error { return b.createIdentities(c.site.Stored) }},
		{"identity overrides", func() error { return b.createIdentityOverrides(c.site.Stored) }},
	} {
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("create %s: %w", step.what, err)
		}
	}
	c.environmentID = b.environmentID
	return c, nil
}

// builder creates one thing after the other.
type builder struct {
	ctx    context.Context
	st     *store.Store
	random *rand.Rand

	projectID, environmentID int64
	names                    []string // of the features, in order
	features                 map[string]store.Feature
	segments                 map[string]int64
}

func (b *builder) project() error {
	organisation, err := b.st.CreateOrganisation(b.ctx, store.NewOrganisation{Name: "Bench"})
	if err != nil {
		return err
	}
	if b.projectID, err = b.st.CreateProject(b.ctx, store.NewProject{OrganisationID: organisation, Name: "Shop"}); err != nil {
		return err
	}
	env, _, err := b.st.CreateEnvironment(b.ctx, store.NewEnvironment{ProjectID: b.projectID, Name: "Production", APIKey: clientKey})
	if err != nil {
		return err
	}
	b.environmentID = env.ID
	_, err = b.st.CreateServerKey(b.ctx, store.NewServerKey{EnvironmentID: env.ID, Name: "Servers", Key: serverKey})
	return err
}

// Names of features are put together from these, as teams do.
var (
	areas = []string{"checkout", "search", "profile", "catalogue", "basket", "payments", "delivery", "reviews", "support", "marketing"}
	parts = []string{"redesign", "fast_path", "banner", "limit", "provider", "layout", "suggestions", "retry_policy", "onboarding", "experiment"}
)

func (b *builder) createFeatures() error {
	for i := range numFeatures {
		area, part := areas[i%len(areas)], parts[i/len(areas)]
		p := store.NewFeature{
			ProjectID:      b.projectID,
			Name:           area + "_" + part,
			DefaultEnabled: b.random.IntN(5) < 3,
		}
		if i%4 != 3 {
			p.Description = new(fmt.Sprintf("Controls the %s of %s. Owned by team %s; remove when it is on everywhere.",
				strings.ReplaceAll(part, "_", " "), area, area))
		}
		switch part {
		case "banner":
			p.InitialValue = new(fmt.Sprintf("Free delivery on all %s orders above %d", area, 20+b.random.IntN(50)))
		case "limit":
			p.InitialValue = new(strconv.Itoa(10 * (1 + b.random.IntN(50))))
		case "provider":
			p.InitialValue = new("eu-west-" + strconv.Itoa(1+b.random.IntN(3)))
		case "layout":
			if i%len(areas) < 8 {
				p.InitialValue = new(b.layout(area))
			}
		case "retry_policy":
			p.InitialValue = new("true")
		case "experiment":
			p.InitialValue, p.Options = new("control"), b.options()
		}
		f, _, err := b.st.CreateFeature(b.ctx, p)
		if err != nil {
			return err
		}
		b.names = append(b.names, p.Name)
		b.features[p.Name] = f
	}
	return nil
}

// layout is a JSON value of some hundred bytes.
func (b *builder) layout(area string) string {
	type block struct {
		ID      string `json:"id"`
		Columns int    `json:"columns"`
		Title   string `json:"title"`
		Lazy    bool   `json:"lazy"`
	}
	var blocks []block
	for i := range 3 + b.random.IntN(4) {
		blocks = append(blocks, block{fmt.Sprintf("%s-%d", area, i), 1 + b.random.IntN(4), "Our \"best\" " + area, i > 1})
	}
	text, err := json.Marshal(map[string]any{"version": 3, "theme": "plain", "blocks": blocks})
	if err != nil {
		panic("BUG: layout is no JSON: " + err.Error())
	}
	return string(text)
}

func (b *builder) options() []store.NewOption {
	options := make([]store.NewOption, 2+b.random.IntN(3))
	for i := range options {
		key := "variant_" + string(rune('a'+i))
		options[i] = store.NewOption{Key: &key, Value: flagsmith.StringValue(key), Allocation: float64(10 * (1 + b.random.IntN(2)))}
	}
	return options
}

func (b *builder) createSegments() error {
	for _, s := range segments {
		id, _, err := b.st.CreateSegment(b.ctx, store.NewSegment{
			ProjectID: b.projectID, Name: s.name, Description: new("Customers: " + strings.ReplaceAll(s.name, "_", " ")), Rules: s.rules,
		})
		if err != nil {
			return err
		}
		b.segments[s.name] = id
	}
	return nil
}

// createSegmentOverrides uses about half of the segments, each for one to four features; multivariate features get weights of
// their own.
func (b *builder) createSegmentOverrides() error {
	at := 0
	for _, s := range segments {
		for range s.overrides {
			// Seven is prime to the number of features, so they spread over all areas and parts; some meet in one feature.
			name := b.names[(at*7)%90]
			if at%5 == 4 {
				name = b.names[90+at%10]
			}
			at++
			state := store.NewState{Enabled: true, Value: flagsmith.StringValue("for " + s.name)}
			f := b.features[name]
			for i, id := range f.OptionIDs {
				state.Weights = append(state.Weights, store.Weight{OptionID: id, Allocation: float64(40 / (i + 1))})
				if i == 1 {
					break
				}
			}
			_, _, err := b.st.CreateSegmentOverride(b.ctx, store.NewSegmentOverride{
				EnvironmentID: b.environmentID, FeatureID: f.ID, SegmentID: b.segments[s.name], State: state,
			})
			if err != nil {
				return fmt.Errorf("%s for %s: %w", name, s.name, err)
			}
		}
	}
	return nil
}

// createIdentities stores people with their traits.
func (b *builder) createIdentities(people []bench.Identity) error {
	writer := store.NewIdentityWriter(b.st, store.WriterConfig{})
	ctx, stop := context.WithCancel(b.ctx)
	ran := make(chan error, 1)
	go func() { ran <- writer.Run(ctx) }()

	const writers = 64 // share transactions
	failed := make(chan error, len(people))
	next := make(chan bench.Identity)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for person := range next {
				_, err := writer.Write(ctx, store.IdentityWrite{
					EnvironmentID: b.environmentID, Identifier: person.Identifier, Create: true, Set: storedTraits(person.Traits),
				})
				if err != nil {
					failed <- err
				}
			}
		})
	}
	for _, person := range people {
		next <- person
	}
	close(next)
	wg.Wait()
	stop()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, <-ran)...)
}

func storedTraits(traits []bench.Trait) []flagsmith.Trait {
	stored := make([]flagsmith.Trait, len(traits))
	for i, t := range traits {
		stored[i].Key = t.Key
		switch v := t.Value.(type) {
		case string:
			stored[i].Value = flagsmith.StringValue(v)
		case int:
			stored[i].Value = flagsmith.IntValue(int64(v))
		case float64:
			stored[i].Value = flagsmith.FloatValue(v)
		case bool:
			stored[i].Value = flagsmith.BoolValue(v)
		default:
			panic(fmt.Sprintf("BUG: trait of type %T", v))
		}
	}
	return stored
}

func (b *builder) createIdentityOverrides(people []bench.Identity) error {
	for i := range 12 {
		for n := range 1 + i%3 {
			_, _, err := b.st.CreateIdentityOverride(b.ctx, store.NewIdentityOverride{
				EnvironmentID: b.environmentID,
				Identifier:    people[i*i*7].Identifier, // some are asked for often, most seldom
				FeatureID:     b.features[b.names[(i*13+n)%90]].ID,
				State:         store.NewState{Enabled: i%2 == 0, Value: flagsmith.StringValue("for one customer")},
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
