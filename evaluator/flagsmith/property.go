package flagsmith

import (
	"encoding/json"
	"strings"
)

// property says where the left side of a condition comes from: spec section 3.2. The trait of exactly the property's
// name is looked at first, then what its path leads to.
type property struct {
	trait  int // slot
	source source

	static    operand   // fromDocument
	pathTrait int       // fromTrait: slot
	path      *jsonPath // fromPath
}

// source is what a property falls back to when no trait has its name.
type source uint8

const (
	fromNothing    source = iota
	fromDocument          // a field of the environment, known at compile
	fromIdentifier        // the identity's identifier
	fromKey               // the identity's key
	fromTrait             // a trait, by path
	fromPath              // anything else in the evaluation context
)

// resolve finds the value of the property for the identity at hand.
func (p *property) resolve(s *Scratch) operand {
	if v := s.traits[p.trait]; v.kind != KindNull {
		return coerce(v)
	}
	switch p.source {
	case fromDocument:
		return p.static
	case fromIdentifier:
		if s.id != nil {
			return coerceText(s.id.Identifier)
		}
	case fromKey:
		if s.id == nil {
			return operand{}
		}
		if s.hashKey != "" {
			return coerceText(s.hashKey)
		}
		return coerceText(string(s.appendKey(nil)))
	case fromTrait:
		if v := s.traits[p.pathTrait]; v.kind != KindOpaque { // a path that leads to no scalar leads nowhere
			return coerce(v)
		}
	case fromPath:
		return s.follow(p.path)
	}
	return operand{}
}

// follow evaluates a path and coerces what it leads to.
func (s *Scratch) follow(p *jsonPath) operand {
	if s.root == nil {
		s.root = s.ruleset.contextTree(s)
	}
	found := p.first(s.root)
	if found == nil || found.kind != scalarNode {
		return operand{}
	}
	return coerce(scalarValue(found.value))
}

// scalarValue turns a scalar of a tree into a Value.
func scalarValue(v any) Value {
	switch v := v.(type) {
	case string:
		return StringValue(v)
	case bool:
		return BoolValue(v)
	case json.Number:
		return numberValue(v)
	}
	return Value{}
}

// property returns the index of the property of that name, adding it if it is new.
func (b *builder) property(name string) int {
	if i, ok := b.propertyIndex[name]; ok {
		return i
	}
	p := property{trait: b.slot(name)}
	if strings.HasPrefix(name, "$.") {
		b.resolvePath(&p, name)
	}
	b.properties = append(b.properties, p)
	b.propertyIndex[name] = len(b.properties) - 1
	return len(b.properties) - 1
}

// slot returns the slot of a trait, adding it if it is new.
func (b *builder) slot(trait string) int {
	slot, ok := b.slots[trait]
	if !ok {
		slot = len(b.slots)
		b.slots[trait] = slot
	}
	return slot
}

// resolvePath finds what a path leads to. The common forms become lookups; the rest is walked at evaluation.
func (b *builder) resolvePath(p *property, text string) {
	path := parsePath(text)
	if path == nil {
		return
	}
	names := path.names()
	switch {
	case len(names) == 2 && names[0] == "environment" && names[1] == "key":
		p.source, p.static = fromDocument, coerceText(b.environmentKey)
	case len(names) == 2 && names[0] == "environment" && names[1] == "name":
		p.source, p.static = fromDocument, coerceText(b.environmentName)
	case len(names) == 2 && names[0] == "identity" && names[1] == "identifier":
		p.source = fromIdentifier
	case len(names) == 2 && names[0] == "identity" && names[1] == "key":
		p.source = fromKey
	case len(names) == 3 && names[0] == "identity" && names[1] == "traits":
		p.source, p.pathTrait = fromTrait, b.slot(names[2])
	case b.paths < maxPaths:
		b.paths++
		b.filtered = b.filtered || path.filters
		p.source, p.path = fromPath, path
	}
}
