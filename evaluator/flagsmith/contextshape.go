package flagsmith

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// field is a place in an evaluation context. Its node is nil when there is nothing.
type field struct {
	node   *node
	key    string // under which the parent has it
	parent *field // nil: the context itself
}

func (f field) member(key string) field {
	var kid *node
	if f.node != nil {
		kid = f.node.get(key)
	}
	return field{node: kid, key: key, parent: &f}
}

// String is the place as messages show it: segments.7.rules.0.type.
func (f field) String() string {
	switch {
	case f.parent == nil:
		return "the context"
	case f.parent.parent == nil:
		return f.key
	}
	return f.parent.String() + "." + f.key
}

// shape checks the types in an evaluation context and keeps the first thing that is wrong. After that its methods go on
// to return zeros, so that a reader has one place to look at the error.
type shape struct{ err error }

func (s *shape) fail(f field, message string) {
	if s.err == nil {
		s.err = fmt.Errorf("%v %s", f, message)
	}
}

// want notes that f is not what it must be.
func (s *shape) want(f field, what string) {
	if f.node == nil {
		s.fail(f, "is missing")
		return
	}
	s.fail(f, "must be "+what)
}

func (s *shape) object(f field) {
	if f.node == nil || f.node.kind != objectNode {
		s.want(f, "an object")
	}
}

func (s *shape) text(f field) string {
	if f.node != nil {
		if v, ok := f.node.value.(string); ok {
			return v
		}
	}
	s.want(f, "a string")
	return ""
}

// optionalText returns nil for null and nothing.
func (s *shape) optionalText(f field) *string {
	if f.node.isNull() {
		return nil
	}
	v := s.text(f)
	return &v
}

func (s *shape) boolean(f field) bool {
	if f.node != nil {
		if v, ok := f.node.value.(bool); ok {
			return v
		}
	}
	s.want(f, "a boolean")
	return false
}

func (s *shape) number(f field) json.Number {
	if f.node != nil {
		if v, ok := f.node.value.(json.Number); ok {
			return v
		}
	}
	s.want(f, "a number")
	return "0"
}

// json returns any value that is there, as compact JSON.
func (s *shape) json(f field) json.RawMessage {
	if f.node == nil {
		s.want(f, "there")
		return nil
	}
	return f.node.appendJSON(nil)
}

// members returns what an object has, in order; nothing for null and nothing.
func (s *shape) members(f field) []field {
	if f.node.isNull() {
		return nil
	}
	s.object(f)
	var members []field
	for i, key := range f.node.keys {
		members = append(members, field{node: f.node.kids[i], key: key, parent: &f})
	}
	return members
}

// elements returns what a list has; nothing for null and nothing.
func (s *shape) elements(f field) []field {
	if f.node.isNull() {
		return nil
	}
	if f.node.kind != listNode {
		s.want(f, "a list")
		return nil
	}
	var elements []field
	for i, kid := range f.node.kids {
		elements = append(elements, field{node: kid, key: strconv.Itoa(i), parent: &f})
	}
	return elements
}
