package flagsmith

import (
	"encoding/json"
	"strconv"
)

// setContext keeps the evaluation context, without its identity, for the paths that have to be walked.
func (b *builder) setContext(tree *node) {
	if b.filtered {
		tree.fill() // now, since a Ruleset does not change later
	}
	b.context = tree
}

// contextTree returns the whole evaluation context: the document's part with the identity at hand in its place.
func (r *Ruleset) contextTree(s *Scratch) *node {
	root := &node{
		kind: objectNode,
		keys: append([]string(nil), r.context.keys...),
		kids: append([]*node(nil), r.context.kids...),
	}
	switch {
	case s.identityNode != nil:
		root.set("identity", s.identityNode)
	case s.id != nil:
		root.set("identity", identityTree(s))
	}
	if r.filtered {
		root.fill()
	}
	return root
}

// identityTree is the identity at hand as an evaluation context has it.
func identityTree(s *Scratch) *node {
	var traits object
	for i := range s.id.Traits {
		traits.put(s.id.Traits[i].Key, valueNode(s.id.Traits[i].Value))
	}
	n := &node{kind: objectNode}
	n.add("identifier", newScalar(s.id.Identifier))
	n.add("traits", traits.done())
	n.add("key", newScalar(string(s.appendKey(nil))))
	return n
}

func valueNode(v Value) *node {
	switch v.kind {
	case KindString:
		return newScalar(v.text)
	case KindBool:
		return newScalar(v.Bool())
	case KindInt, KindBigInt, KindFloat:
		o := coerce(v)
		return newScalar(json.Number(o.appendText(nil)))
	}
	return newScalar(nil)
}

// documentTree is a document as an evaluation context, in the order of spec section 1.1: environment, identity (null
// until there is one), segments, features. Identity overrides are not in it: there may be very many, and no path should
// depend on another identity.
func documentTree(doc *Document) *node {
	root := &node{kind: objectNode}
	environment := &node{kind: objectNode}
	environment.add("key", newScalar(doc.APIKey))
	environment.add("name", newScalar(doc.Name))
	root.add("environment", environment)
	root.add("identity", newScalar(nil))

	var segments object
	for i := range doc.Project.Segments {
		g := &doc.Project.Segments[i]
		id := strconv.FormatInt(g.ID, 10)
		n := &node{kind: objectNode}
		n.add("key", newScalar(id))
		n.add("name", newScalar(g.Name))
		n.add("rules", rulesTree(g.Rules, 0))
		overrides := &node{kind: listNode}
		for j := range g.FeatureStates {
			overrides.kids = append(overrides.kids, featureTree(&g.FeatureStates[j]))
		}
		n.add("overrides", overrides)
		segments.put(id, n)
	}
	root.add("segments", segments.done())

	var features object
	for i := range doc.FeatureStates {
		features.put(doc.FeatureStates[i].Feature.Name, featureTree(&doc.FeatureStates[i]))
	}
	root.add("features", features.done())
	return root
}

func rulesTree(rules []Rule, depth int) *node {
	list := &node{kind: listNode}
	if depth >= maxRuleDepth {
		return list
	}
	for i := range rules {
		conditions := &node{kind: listNode}
		for j := range rules[i].Conditions {
			c := &rules[i].Conditions[j]
			n := &node{kind: objectNode}
			n.add("property", newScalar(orEmpty(c.Property)))
			n.add("operator", newScalar(c.Operator))
			n.add("value", rawTree(c.Value))
			conditions.kids = append(conditions.kids, n)
		}
		n := &node{kind: objectNode}
		n.add("type", newScalar(rules[i].Type))
		n.add("conditions", conditions)
		n.add("rules", rulesTree(rules[i].Rules, depth+1))
		list.kids = append(list.kids, n)
	}
	return list
}

func featureTree(st *FeatureState) *node {
	n := &node{kind: objectNode}
	n.add("key", newScalar(hashingSeed(st)))
	n.add("name", newScalar(st.Feature.Name))
	n.add("enabled", newScalar(st.Enabled))
	n.add("value", rawTree(st.Value))
	return n
}

// rawTree reads JSON that a document carries; what is broken reads as null.
func rawTree(raw json.RawMessage) *node {
	n, err := parseTree(raw)
	if err != nil {
		return newScalar(nil)
	}
	return n
}
