package flagsmith

import (
	"encoding/json"
	"fmt"
	"slices"
)

// EvaluateContext evaluates one evaluation context (spec section 1.1, JSON) and returns the evaluation result (section
// 1.2) as compact JSON. Features and segments keep their order. An error means that the context is broken or has not the
// shape of one, and says where; what merely cannot be evaluated is false, as in Compile.
func EvaluateContext(line []byte) ([]byte, error) {
	tree, err := parseTree(line)
	if err != nil {
		return nil, fmt.Errorf("parse evaluation context: %w", err)
	}
	c := &contextReader{}
	c.read(field{node: tree})
	if c.err != nil {
		return nil, fmt.Errorf("read evaluation context: %w", c.err)
	}
	return c.result(), nil
}

// contextReader turns an evaluation context into a Ruleset and an Identity. The outcomes of that Ruleset point to no
// document; what the result shows beside them is kept here.
type contextReader struct {
	*builder
	shape                    // keeps the first thing that is wrong
	matching []resultSegment // by segment
	identity *Identity       // nil: none
	hashKey  string
	tree     *node // of the identity, with its key
}

// resultSegment is what a result shows of a segment.
type resultSegment struct {
	name     string
	metadata *node
}

func (c *contextReader) read(root field) {
	c.object(root)
	environment := root.member("environment")
	c.object(environment)
	c.builder = newBuilder(c.text(environment.member("key")), c.text(environment.member("name")))
	c.origins = []*node{}
	for _, f := range c.members(root.member("features")) {
		source, name, _ := c.feature(f)
		if name != f.key {
			c.fail(f.member("name"), "must be the feature's key")
		}
		c.addFeature(name, source)
	}
	for _, f := range c.members(root.member("segments")) {
		c.segment(f)
	}
	c.finishSegments()
	c.readIdentity(root.member("identity"))
	if c.paths > 0 && c.err == nil {
		c.setContext(root.node)
	}
}

// feature reads a feature or an override of one.
func (c *contextReader) feature(f field) (source stateSource, name string, p priority) {
	c.object(f)
	name = c.text(f.member("name"))
	source = stateSource{
		seed:     c.text(f.member("key")),
		enabled:  c.boolean(f.member("enabled")),
		value:    c.json(f.member("value")),
		metadata: c.metadata(f),
	}
	type ordered struct {
		priority
		variantSource
	}
	var variants []ordered
	for _, v := range c.elements(f.member("variants")) {
		c.object(v)
		weight := c.number(v.member("weight"))
		variants = append(variants, ordered{c.priority(v), variantSource{
			key:        c.optionalText(v.member("key")),
			value:      c.json(v.member("value")),
			weight:     weightPercent(weight),
			weightText: pythonText(newScalar(weight)),
		}})
	}
	slices.SortStableFunc(variants, func(x, y ordered) int { return x.compare(y.priority) })
	for _, v := range variants {
		source.variants = append(source.variants, v.variantSource)
	}
	return source, name, c.priority(f)
}

func weightPercent(n json.Number) float64 {
	percent, _ := parseFloat(string(n))
	return percent
}

// priority reads an optional priority; null is none.
func (c *contextReader) priority(f field) priority {
	f = f.member("priority")
	if f.node.isNull() {
		return priority{}
	}
	return numberPriority(c.number(f))
}

// metadata reads optional metadata; null and {} are none.
func (c *contextReader) metadata(f field) *node {
	f = f.member("metadata")
	if len(c.members(f)) == 0 {
		return nil
	}
	return f.node
}

func (c *contextReader) segment(f field) {
	c.object(f)
	key, name := c.text(f.member("key")), c.text(f.member("name"))
	i := c.addSegment(key, c.rules(f.member("rules"), 0))
	c.matching = append(c.matching, resultSegment{name: name, metadata: c.metadata(f)})
	for _, override := range c.elements(f.member("overrides")) {
		source, feature, p := c.feature(override)
		source.reason = reasonTargeted + name
		c.addOverride(feature, i, p, source)
	}
}

func (c *contextReader) rules(f field, depth int) []rule {
	elements := c.elements(f)
	if len(elements) == 0 {
		return nil
	}
	if depth >= maxRuleDepth {
		return []rule{{quantifier: quantNever}}
	}
	rules := make([]rule, len(elements))
	for i, element := range elements {
		c.object(element)
		rules[i].quantifier = quantifiers[c.text(element.member("type"))]
		rules[i].rules = c.rules(element.member("rules"), depth+1)
		for _, condition := range c.elements(element.member("conditions")) {
			rules[i].conditions = append(rules[i].conditions, c.condition(condition))
		}
	}
	return rules
}

func (c *contextReader) condition(f field) condition {
	c.object(f)
	value := f.member("value").node
	if value == nil {
		value = newScalar(nil)
	}
	property := c.optionalText(f.member("property"))
	return c.newCondition(c.text(f.member("operator")), orEmpty(property), treeConditionValue(value))
}

// readIdentity reads the identity; absent, null and {} all are none.
func (c *contextReader) readIdentity(f field) {
	if len(c.members(f)) == 0 {
		return
	}
	c.hashKey = orEmpty(c.optionalText(f.member("key")))
	c.identity = &Identity{Identifier: c.text(f.member("identifier"))}
	for _, trait := range c.members(f.member("traits")) {
		value := Value{kind: KindOpaque}
		if trait.node.kind == scalarNode {
			value = scalarValue(trait.node.value)
		}
		c.identity.Traits = append(c.identity.Traits, Trait{Key: trait.key, Value: value})
	}
	key := c.hashKey
	if key == "" {
		key = c.environmentKey + "_" + c.identity.Identifier
	}
	c.tree = &node{kind: objectNode, keys: slices.Clone(f.node.keys), kids: slices.Clone(f.node.kids)}
	c.tree.set("key", newScalar(key))
}

// result evaluates and writes the answer.
func (c *contextReader) result() []byte {
	r := c.finish()
	scratch := Scratch{identityNode: c.tree}
	dst := append([]byte(nil), `{"flags":{`...)
	for i, id := range r.Evaluate(c.identity, c.hashKey, &scratch, nil) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, c.names[i])
		dst = append(dst, ':')
		dst = appendFlag(dst, c.names[i], &r.outcomes[id], c.origins[id])
	}
	dst = append(dst, `},"segments":[`...)
	for i, matched := range r.Segments(c.identity, c.hashKey, &scratch, nil) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendJSONString(dst, c.matching[matched].name)
		dst = appendMetadata(dst, c.matching[matched].metadata)
	}
	return append(dst, "]}"...)
}

func appendFlag(dst []byte, name string, o *Outcome, metadata *node) []byte {
	dst = append(dst, `{"name":`...)
	dst = appendJSONString(dst, name)
	dst = append(dst, `,"enabled":`...)
	dst = newScalar(o.Enabled).appendJSON(dst)
	dst = append(dst, `,"value":`...)
	dst = append(dst, o.Value...)
	dst = append(dst, `,"reason":`...)
	dst = appendJSONString(dst, o.Reason)
	dst = append(dst, `,"variant":`...)
	if o.Variant == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendJSONString(dst, *o.Variant)
	}
	return appendMetadata(dst, metadata)
}

// appendMetadata ends an object, with its metadata if it has any.
func appendMetadata(dst []byte, metadata *node) []byte {
	if metadata != nil {
		dst = append(dst, `,"metadata":`...)
		dst = metadata.appendJSON(dst)
	}
	return append(dst, '}')
}
