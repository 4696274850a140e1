package flagsmith

import "encoding/json"

// OutcomeID is an index into Ruleset.Outcomes.
type OutcomeID = uint32

// Outcome is one thing that a feature can turn out to be. All of them are known at compile, so that a caller can render
// each once and put answers together from the pieces.
type Outcome struct {
	Feature int             // index into the document's FeatureStates
	State   *FeatureState   // the state that won, in the document: the environment's, a segment's or an identity's
	Value   json.RawMessage // the state's value or the variant's, as the document has it; never empty
	Enabled bool
	Reason  string // spec section 5.3; a weight reads as the reference engine prints it, "30.0"

	// Hit tells whether the identity fell on one of the state's variants.
	Hit bool
	// Variant is the key of the variant that was hit, "control" when there are variants and an identity but no hit, else
	// nil (spec section 5.2). It is nil too for a hit on a variant without a key.
	Variant *string

	Segment  *Segment          // whose override won, in the document; nil if none did
	Identity *IdentityOverride // whose override won, in the document; nil if none did
}

// Ruleset is a compiled document. It is immutable, and safe for concurrent use.
type Ruleset struct {
	environmentKey string
	outcomes       []Outcome
	defaults       []OutcomeID
	features       []feature
	segments       []segment

	properties []property
	slots      map[string]int // trait -> slot, for the traits that conditions ask for
	context    *node          // the evaluation context without its identity; nil if no path needs it
	filtered   bool           // a path has a filter, which needs the values of nodes

	identities map[string]span // identifier -> its part of overrides
	overrides  []identityState // of each identity by feature
}

// feature is the environment's own state and the segments' overrides of it, strongest first.
type feature struct {
	base      state
	overrides []segmentState
}

// segmentState is a segment's override of a feature.
type segmentState struct {
	segment int
	state
}

// identityState is an identity's override of a feature.
type identityState struct {
	feature int
	state
}

type span struct{ from, to uint32 }

// state is what a feature state can turn out to be.
type state struct {
	plain    OutcomeID // without an identity
	control  OutcomeID // with one that falls on no variant
	seed     string    // id 1 of the variants' hash
	variants []variant
}

// variant is hit by the buckets [from, to).
type variant struct {
	from, to int
	outcome  OutcomeID
}

// control is what Outcome.Variant points to when no variant was hit.
var control = "control"

// Outcomes returns all that can come out of an evaluation, by OutcomeID: first the environment's own states and the
// segments' overrides, then the identities' overrides. A state with variants has an outcome for each of them and two
// that show its own value: one for no identity (Variant nil), one for an identity without a hit ("control"). The slice
// belongs to the Ruleset.
func (r *Ruleset) Outcomes() []Outcome { return r.outcomes }

// NumFeatures returns the number of features: the length of what Evaluate appends.
func (r *Ruleset) NumFeatures() int { return len(r.features) }

// Defaults returns the outcomes when there is no identity and no segment is looked at: what a list of the environment's
// flags shows. The slice belongs to the Ruleset.
func (r *Ruleset) Defaults() []OutcomeID { return r.defaults }

// Evaluate appends the outcome of each feature, in the document's order, to dst. No identity is nil. The hash key is the
// identity's key in buckets; "" stands for the implicit one, made of the environment's key and the identifier. It
// allocates only for what is rare: JSONPaths that are no plain lookups, patterns that need backtracking.
func (r *Ruleset) Evaluate(id *Identity, hashKey string, s *Scratch, dst []OutcomeID) []OutcomeID {
	s.begin(r, id, hashKey)
	var own []identityState
	if id != nil && !id.WithoutOverrides && len(r.identities) > 0 {
		if part, ok := r.identities[id.Identifier]; ok {
			own = r.overrides[part.from:part.to]
		}
	}
	for i := range r.features {
		if len(own) > 0 && own[0].feature == i {
			dst = append(dst, own[0].outcome(s))
			own = own[1:]
			continue
		}
		dst = append(dst, r.features[i].winner(s).outcome(s))
	}
	return dst
}

// Segments appends the indexes, in the document's Project.Segments, of the segments that match. The arguments are those
// of Evaluate.
func (r *Ruleset) Segments(id *Identity, hashKey string, s *Scratch, dst []int) []int {
	s.begin(r, id, hashKey)
	for i := range r.segments {
		if s.matches(i) {
			dst = append(dst, i)
		}
	}
	return dst
}

// winner returns the override of the first segment that matches, else the environment's own state.
func (f *feature) winner(s *Scratch) *state {
	for i := range f.overrides {
		if override := &f.overrides[i]; s.matches(override.segment) {
			return &override.state
		}
	}
	return &f.base
}

// outcome chooses the variant: spec section 4.3.
func (st *state) outcome(s *Scratch) OutcomeID {
	switch {
	case s.id == nil:
		return st.plain
	case len(st.variants) == 0:
		return st.control
	}
	bucket := s.keyBucket(st.seed)
	for i := range st.variants {
		if v := &st.variants[i]; v.from <= bucket && bucket < v.to {
			return v.outcome
		}
	}
	return st.control
}
