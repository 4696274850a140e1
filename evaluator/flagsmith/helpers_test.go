package flagsmith

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// ptr is new for values.
func ptr[T any](v T) *T { return &v }

// result is an evaluation result, decoded.
type result struct {
	Flags    map[string]flagResult
	Segments []segmentResult
}

type segmentResult struct {
	Name     string
	Metadata json.RawMessage
}

type flagResult struct {
	Name     string
	Enabled  bool
	Value    json.RawMessage
	Reason   string
	Variant  *string
	Metadata json.RawMessage
}

func evaluateContext(t *testing.T, context string) result {
	t.Helper()
	got, err := EvaluateContext([]byte(context))
	require.NoError(t, err, context)
	var r result
	require.NoError(t, json.Unmarshal(got, &r), "%s", got)
	return r
}

// documentOf turns an evaluation context into a document and the arguments of Evaluate. Segments must have integer keys,
// traits scalars, weights a point.
func documentOf(t *testing.T, context string) (doc *Document, id *Identity, hashKey string) {
	t.Helper()
	root, err := parseTree([]byte(context))
	require.NoError(t, err)
	doc = &Document{
		APIKey: textOf(root.get("environment").get("key")),
		Name:   textOf(root.get("environment").get("name")),
	}
	for _, f := range kidsOf(root.get("features")) {
		doc.FeatureStates = append(doc.FeatureStates, featureStateOf(t, f))
	}
	for _, g := range kidsOf(root.get("segments")) {
		key, err := strconv.ParseInt(textOf(g.get("key")), 10, 64)
		require.NoError(t, err)
		segment := Segment{ID: key, Name: textOf(g.get("name")), Rules: rulesOf(g.get("rules"))}
		for _, f := range kidsOf(g.get("overrides")) {
			segment.FeatureStates = append(segment.FeatureStates, featureStateOf(t, f))
		}
		doc.Project.Segments = append(doc.Project.Segments, segment)
	}
	identity := root.get("identity")
	if len(kidsOf(identity)) == 0 {
		return doc, nil, ""
	}
	id = &Identity{Identifier: textOf(identity.get("identifier"))}
	if traits := identity.get("traits"); traits != nil {
		for i, key := range traits.keys {
			require.Equal(t, scalarNode, traits.kids[i].kind)
			id.Traits = append(id.Traits, Trait{Key: key, Value: scalarValue(traits.kids[i].value)})
		}
	}
	return doc, id, textOf(identity.get("key"))
}

func kidsOf(n *node) []*node {
	if n == nil {
		return nil
	}
	return n.kids
}

func textOf(n *node) string {
	if n == nil {
		return ""
	}
	s, _ := n.value.(string)
	return s
}

func rawOf(n *node) json.RawMessage {
	if n == nil {
		return nil
	}
	return n.appendJSON(nil)
}

func rulesOf(n *node) (rules []Rule) {
	for _, kid := range kidsOf(n) {
		rule := Rule{Type: textOf(kid.get("type")), Rules: rulesOf(kid.get("rules"))}
		for _, c := range kidsOf(kid.get("conditions")) {
			rule.Conditions = append(rule.Conditions, Condition{
				Operator: textOf(c.get("operator")),
				Value:    rawOf(c.get("value")),
				Property: ptr(textOf(c.get("property"))),
			})
		}
		rules = append(rules, rule)
	}
	return rules
}

func featureStateOf(t *testing.T, n *node) FeatureState {
	t.Helper()
	st := FeatureState{
		Feature: Feature{Name: textOf(n.get("name"))},
		Enabled: n.get("enabled").value == true,
		UUID:    textOf(n.get("key")),
		Value:   rawOf(n.get("value")),
	}
	if p := n.get("priority"); !p.isNull() {
		v, err := p.value.(json.Number).Float64()
		require.NoError(t, err)
		st.FeatureSegment = &FeatureSegment{Priority: &v}
	}
	for _, kid := range kidsOf(n.get("variants")) {
		v := MultivariateValue{Option: MultivariateOption{Value: rawOf(kid.get("value"))}}
		if key := kid.get("key"); !key.isNull() {
			v.Option.Key = ptr(textOf(key))
		}
		var err error
		v.Allocation, err = kid.get("weight").value.(json.Number).Float64()
		require.NoError(t, err)
		v.ID, err = kid.get("priority").value.(json.Number).Int64()
		require.NoError(t, err)
		st.Variants = append(st.Variants, v)
	}
	return st
}

// documentResult evaluates a document and shows the outcome as an evaluation result does, without metadata.
func documentResult(doc *Document, id *Identity, hashKey string) result {
	r := Compile(doc)
	var s Scratch
	out := result{Flags: map[string]flagResult{}, Segments: []segmentResult{}}
	for i, outcome := range r.Evaluate(id, hashKey, &s, nil) {
		o := r.Outcomes()[outcome]
		name := doc.FeatureStates[i].Feature.Name
		out.Flags[name] = flagResult{Name: name, Enabled: o.Enabled, Value: o.Value, Reason: o.Reason, Variant: o.Variant}
	}
	for _, i := range r.Segments(id, hashKey, &s, nil) {
		out.Segments = append(out.Segments, segmentResult{Name: doc.Project.Segments[i].Name})
	}
	return out
}

// probe is one condition in one segment, the form of most tables of the spec's section 7: environment "env" named "Env",
// segment key 1.
type probe struct {
	noIdentity bool
	identifier string // "": id1
	key        string
	traits     string // JSON; "": none
	envKey     string // "": env
	envName    string // "": Env
	property   string
	operator   string
	value      string // JSON
}

func (p probe) rules() string {
	return fmt.Sprintf(`[{"type":"ALL","conditions":[{"property":%s,"operator":%s,"value":%s}]}]`,
		quote(p.property), quote(p.operator), p.value)
}

func (p probe) context() string { return p.contextWith(p.rules()) }

func (p probe) contextWith(rules string) string {
	or := func(s, absent string) string {
		if s == "" {
			return absent
		}
		return s
	}
	identity := "null"
	if !p.noIdentity {
		identity = fmt.Sprintf(`{"identifier":%s,"key":%s,"traits":%s}`,
			quote(or(p.identifier, "id1")), quote(p.key), or(p.traits, "{}"))
	}
	return fmt.Sprintf(`{"environment":{"key":%s,"name":%s},"identity":%s,"segments":{"1":{"key":"1","name":"s","rules":%s}}}`,
		quote(or(p.envKey, "env")), quote(or(p.envName, "Env")), identity, rules)
}

func quote(s string) string { return string(appendJSONString(nil, s)) }

// requireMatch checks a probe's answer through an evaluation context and, if asked, through a document.
func requireMatch(t *testing.T, want bool, context string, viaDocument bool) {
	t.Helper()
	require.Equal(t, want, len(evaluateContext(t, context).Segments) == 1, "%s", context)
	if !viaDocument {
		return
	}
	doc, id, hashKey := documentOf(t, context)
	require.Equal(t, want, len(documentResult(doc, id, hashKey).Segments) == 1, "document: %s", context)
}
