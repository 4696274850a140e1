package flagsmith

// maxRuleDepth is how deep rules may nest; the API accepts two levels. A rule below it is false.
const maxRuleDepth = 100

// segment is a Segment, compiled.
type segment struct {
	key   string // id 1 of the hashes of its percentage splits
	rules []rule // all must hold, and there must be one
}

// rule holds when its quantifier holds over its conditions, and over its sub-rules: spec section 3.1. Nothing to
// quantify is true whatever the quantifier.
type rule struct {
	quantifier quantifier
	conditions []condition
	rules      []rule
}

// quantifier is the type of a rule. The zero quantifier is an unknown one, of which nothing but emptiness holds.
type quantifier uint8

const (
	quantUnknown quantifier = iota
	quantAll
	quantAny
	quantNone
	quantNever // below maxRuleDepth
)

var quantifiers = map[string]quantifier{"ALL": quantAll, "ANY": quantAny, "NONE": quantNone}

func (g *segment) matches(s *Scratch) bool {
	for i := range g.rules {
		if !g.rules[i].holds(g.key, s) {
			return false
		}
	}
	return len(g.rules) > 0
}

func (r *rule) holds(segmentKey string, s *Scratch) bool {
	switch r.quantifier {
	case quantAll:
		return r.conditionsUntil(false, segmentKey, s) && r.rulesUntil(false, segmentKey, s)
	case quantNone:
		return r.conditionsUntil(true, segmentKey, s) && r.rulesUntil(true, segmentKey, s)
	case quantAny:
		return (len(r.conditions) == 0 || !r.conditionsUntil(true, segmentKey, s)) &&
			(len(r.rules) == 0 || !r.rulesUntil(true, segmentKey, s))
	case quantUnknown:
		return len(r.conditions) == 0 && len(r.rules) == 0
	}
	return false
}

// conditionsUntil looks for a condition whose truth is stop, and returns whether there is none.
func (r *rule) conditionsUntil(stop bool, segmentKey string, s *Scratch) bool {
	for i := range r.conditions {
		if r.conditions[i].holds(segmentKey, s) == stop {
			return false
		}
	}
	return true
}

// rulesUntil looks for a sub-rule whose truth is stop, and returns whether there is none.
func (r *rule) rulesUntil(stop bool, segmentKey string, s *Scratch) bool {
	for i := range r.rules {
		if r.rules[i].holds(segmentKey, s) == stop {
			return false
		}
	}
	return true
}
