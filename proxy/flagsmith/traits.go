package flagsmith

import (
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

var (
	traitEndpoint     = plainEndpoint(varyOther, allowPost)
	traitBulkEndpoint = plainEndpoint(varyOther, allowPut)
)

// traitItem is one trait of one identity, as traits/ and traits/bulk/ take it.
type traitItem struct {
	identifier string
	key        string
	value      engine.Value
}

// decodeTraitItem reads an item; its strings alias the body.
func decodeTraitItem(v *fastjson.Value) (item traitItem, p problem) {
	if v.Type() != fastjson.TypeObject {
		return item, notAnObject(v)
	}
	object, _ := v.Object()
	var identityProblem, valueProblem, keyProblem problem
	item.identifier, identityProblem = identityField(member(object, "identity"))
	switch raw := member(object, "trait_value"); {
	case raw != nil && raw.Type() == fastjson.TypeNull:
		valueProblem = messages(msgNull)
	default:
		if item.value, valueProblem = traitValue(raw, new([]byte)); valueProblem == nil {
			valueProblem = storable(item.value)
		}
	}
	item.key, keyProblem = requiredText(member(object, "trait_key"), maxTraitKeyChars)
	return item, (&problems{}).add("identity", identityProblem).add("trait_value", valueProblem).add("trait_key", keyProblem).object()
}

// identityField reads {"identifier": …}.
func identityField(v *fastjson.Value) (string, problem) {
	switch {
	case v == nil:
		return "", messages(msgRequired)
	case v.Type() == fastjson.TypeNull:
		return "", messages(msgNull)
	case v.Type() != fastjson.TypeObject:
		return "", nonField(msgNotObject(pythonType(v)))
	}
	object, _ := v.Object()
	identifier, p := requiredText(member(object, "identifier"), maxIdentifierChars)
	return identifier, (&problems{}).add("identifier", p).object()
}

// appendTraitItem echoes an item.
func appendTraitItem(dst []byte, item *traitItem) []byte {
	dst = append(dst, `{"identity":{"identifier":`...)
	dst = pyjson.AppendString(dst, item.identifier)
	dst = append(dst, `},"trait_value":`...)
	dst = appendValue(dst, item.value)
	dst = append(dst, `,"trait_key":`...)
	dst = pyjson.AppendString(dst, item.key)
	return append(dst, '}')
}

// postTrait serves POST traits/: one trait of one identity.
func (h *Handler) postTrait(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value) {
	item, p := decodeTraitItem(body)
	if p != nil {
		traitEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
		return
	}
	if !maySetTraits(ctx, traitEndpoint, env, serverKey) {
		return
	}
	w := TraitWrite{EnvironmentID: env.ID, Identifier: strings.Clone(item.identifier), Set: storedTrait(item.key, item.value)}
	if _, err := h.write(w); err != nil {
		h.failWrite(ctx, traitEndpoint, err)
		return
	}
	traitEndpoint.ok(ctx, appendTraitItem(nil, &item))
}

// maxBulkTraits bounds what one request to traits/bulk/ may change.
const maxBulkTraits = 1000

// putTraits serves PUT traits/bulk/: traits of any identities. All items are checked before anything is written, and the
// writes of one identity are one; upstream deletes first and then may fail.
func (h *Handler) putTraits(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value) {
	ep := traitBulkEndpoint
	set, remove, p := decodeTraitItems(body)
	if p != nil {
		ep.fail(ctx, fasthttp.StatusBadRequest, p)
		return
	}
	if !maySetTraits(ctx, ep, env, serverKey) {
		return
	}
	for _, w := range bulkWrites(env.ID, set, remove) {
		if _, err := h.write(w); err != nil {
			h.failWrite(ctx, ep, err)
			return
		}
	}
	answer := []byte{'['}
	for i := range set {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = appendTraitItem(answer, &set[i])
	}
	ep.ok(ctx, append(answer, ']'))
}

// decodeTraitItems reads a list of items and tells those with a value from those to delete.
func decodeTraitItems(body *fastjson.Value) (set, remove []traitItem, p problem) {
	if body.Type() != fastjson.TypeArray {
		return nil, nil, detail(msgBadRequest)
	}
	items, _ := body.Array()
	if len(items) > maxBulkTraits {
		return nil, nil, detail("Number of traits must not be more than " + strconv.Itoa(maxBulkTraits))
	}
	var list problemList
	for _, v := range items {
		if v.Type() != fastjson.TypeObject {
			return nil, nil, detail(msgBadRequest)
		}
		object, _ := v.Object()
		if raw := member(object, "trait_value"); raw != nil && raw.Type() != fastjson.TypeNull {
			item, p := decodeTraitItem(v)
			list.add(p)
			set = append(set, item)
			continue
		}
		var item traitItem
		var identityProblem, keyProblem problem
		item.identifier, identityProblem = identityField(member(object, "identity"))
		item.key, keyProblem = requiredText(member(object, "trait_key"), maxTraitKeyChars)
		list.add((&problems{}).add("identity", identityProblem).add("trait_key", keyProblem).object())
		remove = append(remove, item)
	}
	return set, remove, list.list()
}

// bulkWrites makes one write an identity, in the order in which identities first appear. A key that is both deleted and set is
// set: deletions run first.
func bulkWrites(environmentID int64, set, remove []traitItem) []TraitWrite {
	var writes []TraitWrite
	var sets []traitIndex // of each write
	at := make(map[string]int)
	write := func(identifier string) int {
		i, ok := at[identifier]
		if !ok {
			i = len(writes)
			at[identifier] = i
			writes = append(writes, TraitWrite{EnvironmentID: environmentID, Identifier: strings.Clone(identifier)})
			sets = append(sets, traitIndex{})
		}
		return i
	}
	for i := range set {
		sets[write(set[i].identifier)].put(storedTrait(set[i].key, set[i].value)[0])
	}
	for i := range remove {
		if w := write(remove[i].identifier); sets[w].find(remove[i].key) < 0 {
			writes[w].Delete = append(writes[w].Delete, strings.Clone(remove[i].key))
		}
	}
	for i := range writes {
		writes[i].Set = sets[i].traits
	}
	return writes
}

// incrementTrait serves POST traits/increment-value/. Unlike upstream's it is atomic.
func (h *Handler) incrementTrait(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value) {
	if body.Type() != fastjson.TypeObject {
		traitEndpoint.fail(ctx, fasthttp.StatusBadRequest, notAnObject(body))
		return
	}
	object, _ := body.Object()
	key, keyProblem := requiredText(member(object, "trait_key"), maxTraitKeyChars)
	by, byProblem := integer(member(object, "increment_by"))
	identifier, identifierProblem := requiredText(member(object, "identifier"), maxIdentifierChars)
	p := (&problems{}).add("trait_key", keyProblem).add("increment_by", byProblem).add("identifier", identifierProblem).object()
	if p != nil {
		traitEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
		return
	}
	if !maySetTraits(ctx, traitEndpoint, env, serverKey) {
		return
	}
	result, err := h.write(TraitWrite{
		EnvironmentID: env.ID,
		Identifier:    strings.Clone(identifier),
		Increment:     &Increment{Key: strings.Clone(key), By: by},
	})
	if err != nil {
		h.failWrite(ctx, traitEndpoint, err)
		return
	}
	answer := append([]byte(nil), `{"trait_key":`...)
	answer = pyjson.AppendString(answer, key)
	answer = append(answer, `,"trait_value":`...)
	answer = strconv.AppendInt(answer, result.Value, 10)
	answer = append(answer, `,"identifier":`...)
	answer = pyjson.AppendString(answer, identifier)
	traitEndpoint.ok(ctx, append(answer, '}'))
}
