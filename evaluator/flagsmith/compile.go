package flagsmith

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	reasonDefault  = "DEFAULT"
	reasonTargeted = "TARGETING_MATCH; segment="
	reasonSplit    = "SPLIT; weight="

	// identitySegment is the segment that identity overrides seem to come from.
	identitySegment = "identity_overrides"
)

// Compile prepares a document for evaluation. It never fails: what cannot be evaluated (a bad pattern, an unknown
// operator or rule type, rules nested deeper than 100) is false, as the spec says. The Ruleset refers to the document,
// which must not change any more. A nil document is an empty one.
func Compile(doc *Document) *Ruleset {
	if doc == nil {
		doc = &Document{}
	}
	b := newBuilder(doc.APIKey, doc.Name)
	for i := range doc.FeatureStates {
		b.addFeature(doc.FeatureStates[i].Feature.Name, documentState(&doc.FeatureStates[i]))
	}
	for i := range doc.Project.Segments {
		b.addDocumentSegment(&doc.Project.Segments[i])
	}
	b.finishSegments()
	b.addIdentities(doc.IdentityOverrides)
	if b.paths > 0 {
		b.setContext(documentTree(doc))
	}
	return b.finish()
}

// builder puts a Ruleset together: features first, then segments, then identities.
type builder struct {
	Ruleset
	environmentName string
	origins         []*node // by outcome: the metadata of its state; nil for documents, which have none

	names         []string                   // of the features
	featureNames  map[string][]int           // name -> features
	pending       map[string][]*pendingState // feature name -> segments' overrides, in the order of the document
	propertyIndex map[string]int
	paths         int // properties that have to be walked
}

// pendingState is a segment's override before it is known which overrides are stronger.
type pendingState struct {
	segment  int
	priority priority
	source   stateSource
}

// stateSource is what a document and an evaluation context have in common about a feature state.
type stateSource struct {
	seed     string
	enabled  bool
	value    json.RawMessage
	variants []variantSource // in the order of the spec
	reason   string          // when no variant is hit

	state    *FeatureState
	segment  *Segment
	identity *IdentityOverride
	metadata *node // evaluation contexts
}

type variantSource struct {
	key        *string
	value      json.RawMessage
	weight     float64 // percent
	weightText string  // as reasons print it
}

func newBuilder(environmentKey, environmentName string) *builder {
	return &builder{
		Ruleset:         Ruleset{environmentKey: environmentKey, slots: map[string]int{}},
		environmentName: environmentName,
		featureNames:    map[string][]int{},
		pending:         map[string][]*pendingState{},
		propertyIndex:   map[string]int{},
	}
}

// finish returns the Ruleset without the builder, which would stay in memory behind a pointer into it.
func (b *builder) finish() *Ruleset {
	r := b.Ruleset
	return &r
}

func (b *builder) addFeature(name string, source stateSource) {
	source.reason = reasonDefault
	i := len(b.features)
	b.features = append(b.features, feature{base: b.newState(i, &source, true)})
	b.defaults = append(b.defaults, b.features[i].base.plain)
	b.names = append(b.names, name)
	b.featureNames[name] = append(b.featureNames[name], i)
}

// addSegment adds a segment whose rules have been compiled, and returns its index.
func (b *builder) addSegment(key string, rules []rule) int {
	b.segments = append(b.segments, segment{key: key, rules: rules})
	return len(b.segments) - 1
}

// addOverride notes a segment's override. Those of unknown features are dropped later.
func (b *builder) addOverride(name string, segment int, p priority, source stateSource) {
	b.pending[name] = append(b.pending[name], &pendingState{segment: segment, priority: p, source: source})
}

// finishSegments gives each feature its overrides, strongest first: the lowest priority, then the first segment.
func (b *builder) finishSegments() {
	for _, pending := range b.pending {
		slices.SortStableFunc(pending, func(x, y *pendingState) int { return x.priority.compare(y.priority) })
	}
	for i, name := range b.names {
		for _, p := range b.pending[name] {
			override := segmentState{segment: p.segment, state: b.newState(i, &p.source, true)}
			b.features[i].overrides = append(b.features[i].overrides, override)
		}
	}
}

// addIdentities fills the map of identity overrides. An identifier that is listed more than once has the overrides of all
// its entries; of two for the same feature the first one counts.
func (b *builder) addIdentities(all []IdentityOverride) {
	if len(all) == 0 {
		return
	}
	states := 0
	seen := make(map[string]bool, len(all))
	again := map[string][]int{} // identifier -> its entries but the first
	for i := range all {
		states += len(all[i].Features)
		if seen[all[i].Identifier] {
			again[all[i].Identifier] = append(again[all[i].Identifier], i)
		}
		seen[all[i].Identifier] = true
	}
	b.outcomes = slices.Grow(b.outcomes, states)
	b.overrides = make([]identityState, 0, states)
	b.identities = make(map[string]span, len(all))
	for i := range all {
		identifier := all[i].Identifier
		if _, done := b.identities[identifier]; done {
			continue
		}
		from := len(b.overrides)
		b.addIdentity(&all[i], from)
		for _, j := range again[identifier] {
			b.addIdentity(&all[j], from)
		}
		slices.SortFunc(b.overrides[from:], func(x, y identityState) int { return cmp.Compare(x.feature, y.feature) })
		b.identities[identifier] = span{uint32(from), uint32(len(b.overrides))}
	}
}

// addIdentity adds the overrides of one entry; those that the same identifier has already begin at from.
func (b *builder) addIdentity(override *IdentityOverride, from int) {
	for i := range override.Features {
		st := &override.Features[i]
		for _, feature := range b.featureNames[st.Feature.Name] {
			known := func(o identityState) bool { return o.feature == feature }
			if slices.ContainsFunc(b.overrides[from:], known) {
				continue
			}
			source := documentState(st)
			source.reason, source.identity = reasonTargeted+identitySegment, override
			b.overrides = append(b.overrides, identityState{feature: feature, state: b.newState(feature, &source, false)})
		}
	}
}

// newState makes the outcomes of a state. Only a state that can be seen without an identity needs one for that.
func (b *builder) newState(feature int, source *stateSource, withoutIdentity bool) state {
	outcome := Outcome{
		Feature:  feature,
		State:    source.state,
		Value:    orNull(source.value),
		Enabled:  source.enabled,
		Reason:   source.reason,
		Segment:  source.segment,
		Identity: source.identity,
	}
	st := state{seed: source.seed}
	if withoutIdentity || len(source.variants) == 0 {
		st.plain = b.addOutcome(outcome, source)
		st.control = st.plain
	}
	if len(source.variants) == 0 {
		return st
	}
	outcome.Variant = &control
	st.control = b.addOutcome(outcome, source)
	if !withoutIdentity {
		st.plain = st.control
	}
	st.variants = make([]variant, len(source.variants))
	start := 0.0
	for i, v := range source.variants {
		limit := v.weight + start // in this order: it decides the last bit
		outcome.Value, outcome.Variant, outcome.Hit = orNull(v.value), v.key, true
		outcome.Reason = reasonSplit + v.weightText
		st.variants[i] = variant{outcome: b.addOutcome(outcome, source)}
		if !math.IsNaN(start) && !math.IsNaN(limit) {
			st.variants[i].from, st.variants[i].to = bucketsBelow(start), bucketsBelow(limit)
		}
		start = limit
	}
	return st
}

func (b *builder) addOutcome(o Outcome, source *stateSource) OutcomeID {
	b.outcomes = append(b.outcomes, o)
	if b.origins != nil {
		b.origins = append(b.origins, source.metadata)
	}
	return OutcomeID(len(b.outcomes) - 1)
}

func orNull(value json.RawMessage) json.RawMessage {
	if len(value) == 0 {
		return json.RawMessage("null")
	}
	return value
}

// addDocumentSegment compiles a segment and notes its overrides.
func (b *builder) addDocumentSegment(g *Segment) {
	i := b.addSegment(strconv.FormatInt(g.ID, 10), b.documentRules(g.Rules, 0))
	for j := range g.FeatureStates {
		st := &g.FeatureStates[j]
		source := documentState(st)
		source.reason, source.segment = reasonTargeted+g.Name, g
		var p priority
		if st.FeatureSegment != nil && st.FeatureSegment.Priority != nil {
			p = floatPriority(*st.FeatureSegment.Priority)
		}
		b.addOverride(st.Feature.Name, i, p, source)
	}
}

func (b *builder) documentRules(rules []Rule, depth int) []rule {
	if len(rules) == 0 {
		return nil
	}
	if depth >= maxRuleDepth {
		return []rule{{quantifier: quantNever}}
	}
	compiled := make([]rule, len(rules))
	for i := range rules {
		compiled[i].quantifier = quantifiers[rules[i].Type]
		compiled[i].rules = b.documentRules(rules[i].Rules, depth+1)
		compiled[i].conditions = make([]condition, len(rules[i].Conditions))
		for j := range rules[i].Conditions {
			c := &rules[i].Conditions[j]
			compiled[i].conditions[j] = b.newCondition(c.Operator, orEmpty(c.Property), documentConditionValue(c.Value))
		}
	}
	return compiled
}

// documentState reads a feature state: spec section 2.3.
func documentState(st *FeatureState) stateSource {
	source := stateSource{enabled: st.Enabled, value: st.Value, state: st}
	if len(st.Variants) == 0 {
		return source
	}
	source.seed = hashingSeed(st)
	ordered := make([]*MultivariateValue, len(st.Variants))
	for i := range st.Variants {
		ordered[i] = &st.Variants[i]
	}
	slices.SortStableFunc(ordered, compareVariants)
	for _, v := range ordered {
		source.variants = append(source.variants, variantSource{
			key:        v.Option.Key,
			value:      v.Option.Value,
			weight:     v.Allocation,
			weightText: string(appendFloat(nil, v.Allocation)),
		})
	}
	return source
}

// hashingSeed is id 1 of the hash that chooses a variant of st.
func hashingSeed(st *FeatureState) string {
	if st.HashingSeed != 0 {
		return strconv.FormatInt(st.HashingSeed, 10)
	}
	return st.UUID
}

// compareVariants orders variants by id, and those without one after them by UUID.
func compareVariants(x, y *MultivariateValue) int {
	switch {
	case x.ID != 0 && y.ID != 0:
		return cmp.Compare(x.ID, y.ID)
	case x.ID != 0:
		return -1
	case y.ID != 0:
		return 1
	}
	return strings.Compare(strings.ToLower(x.UUID), strings.ToLower(y.UUID))
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
