package flagsmith

import (
	"github.com/valyala/fastjson"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// identifyRequest is the body of POST identities/. Its strings alias the request.
type identifyRequest struct {
	identifier string // "" is anonymous
	transient  bool
	traits     []engine.Trait // a null value asks to delete

	scratch []byte // for the text of a number
}

// traitFields are the three keys of one trait in a body.
type traitFields struct {
	key, value, transient *fastjson.Value
}

// decode reads a parsed body, reusing the request's memory.
func (r *identifyRequest) decode(body *fastjson.Value) problem {
	r.identifier, r.transient, r.traits = "", false, r.traits[:0]
	if body.Type() != fastjson.TypeObject {
		return notAnObject(body)
	}
	var identifier, transient, traits *fastjson.Value
	object, _ := body.Object()
	object.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "identifier":
			identifier = v
		case "transient":
			transient = v
		case "traits":
			traits = v
		}
	})
	var ps problems
	var p problem
	r.identifier, p = optionalText(identifier, maxIdentifierChars)
	ps.add("identifier", p)
	r.transient, p = boolean(transient)
	ps.add("transient", p)
	if traits != nil {
		ps.add("traits", r.decodeTraits(traits))
	}
	return ps.object()
}

// decodeTraits appends the traits of a list.
func (r *identifyRequest) decodeTraits(v *fastjson.Value) problem {
	switch v.Type() {
	case fastjson.TypeArray:
	case fastjson.TypeNull:
		return messages(msgNull)
	default:
		return nonField(msgNotList(pythonType(v)))
	}
	items, _ := v.Array()
	for i, item := range items {
		trait, p := decodeTrait(item, &r.scratch)
		if p != nil {
			return traitProblems(items, i, &r.scratch)
		}
		r.traits = append(r.traits, trait)
	}
	return nil
}

// traitProblems lists what is wrong with each element, once one is known to be bad.
func traitProblems(items []*fastjson.Value, firstBad int, scratch *[]byte) problem {
	var list problemList
	for i, item := range items {
		if i < firstBad {
			list.add(nil)
			continue
		}
		_, p := decodeTrait(item, scratch)
		list.add(p)
	}
	return list.list()
}

func decodeTrait(item *fastjson.Value, scratch *[]byte) (engine.Trait, problem) {
	if item.Type() != fastjson.TypeObject {
		if item.Type() == fastjson.TypeNull {
			return engine.Trait{}, messages(msgNull)
		}
		return engine.Trait{}, notAnObject(item)
	}
	var f traitFields
	object, _ := item.Object()
	object.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "trait_key":
			f.key = v
		case "trait_value":
			f.value = v
		case "transient":
			f.transient = v
		}
	})
	key, keyProblem := requiredText(f.key, maxTraitKeyChars)
	value, valueProblem := traitValue(f.value, scratch)
	transient, transientProblem := boolean(f.transient)
	if keyProblem != nil || valueProblem != nil || transientProblem != nil {
		return engine.Trait{}, (&problems{}).add("trait_key", keyProblem).add("trait_value", valueProblem).
			add("transient", transientProblem).object()
	}
	return engine.Trait{Key: key, Value: value, Transient: transient}, nil
}

// notAnObject is the problem of a value that should have been an object.
func notAnObject(v *fastjson.Value) problem {
	if v.Type() == fastjson.TypeNull {
		return nonField(msgNoData)
	}
	return nonField(msgNotObject(pythonType(v)))
}
