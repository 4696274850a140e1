package flagsmith

import (
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"
)

var bulkEndpoint = plainEndpoint(varyOther, allowPostPut)

// maxBulkIdentities is the documented limit of bulk-identities/.
const maxBulkIdentities = 100

// postBulk serves POST bulk-identities/: identities as given, dropping traits that are stored and not given.
func (h *Handler) postBulk(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value) {
	h.bulk(ctx, env, serverKey, body, true)
}

// putBulk serves PUT bulk-identities/: identities updated.
func (h *Handler) putBulk(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value) {
	h.bulk(ctx, env, serverKey, body, false)
}

// bulk checks all identities before it stores the first. The hosted service answers 202 and writes later; here the answer is
// sent when all is durable.
func (h *Handler) bulk(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value, replace bool) {
	writes, p := decodeBulk(body, env.ID, replace)
	if p != nil {
		bulkEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
		return
	}
	if len(writes) > maxBulkIdentities {
		bulkEndpoint.fail(ctx, fasthttp.StatusBadRequest, problem("Number of identities must not be more than "+strconv.Itoa(maxBulkIdentities)))
		ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
		return
	}
	if !maySetTraits(ctx, bulkEndpoint, env, serverKey) {
		return
	}
	for _, w := range writes {
		if _, err := h.write(w); err != nil {
			h.failWrite(ctx, bulkEndpoint, err)
			return
		}
	}
	bulkEndpoint.ok(ctx, nil)
	ctx.SetStatusCode(fasthttp.StatusAccepted)
}

// decodeBulk reads {"data": [{identifier, traits, transient}]}. Transient identities are checked and not stored.
func decodeBulk(body *fastjson.Value, environmentID int64, replace bool) ([]TraitWrite, problem) {
	if body.Type() != fastjson.TypeObject {
		return nil, notAnObject(body)
	}
	object, _ := body.Object()
	data := member(object, "data")
	switch {
	case data == nil:
		return nil, (&problems{}).add("data", messages(msgRequired)).object()
	case data.Type() == fastjson.TypeNull:
		return nil, (&problems{}).add("data", messages(msgNull)).object()
	case data.Type() != fastjson.TypeArray:
		return nil, (&problems{}).add("data", nonField(msgNotList(pythonType(data)))).object()
	}
	items, _ := data.Array()
	var writes []TraitWrite
	var list problemList
	for _, item := range items {
		var request identifyRequest
		p := decodeBulkIdentity(&request, item)
		list.add(p)
		if p != nil || request.transient {
			continue
		}
		set, remove, _ := split(request.traits)
		writes = append(writes, TraitWrite{
			EnvironmentID: environmentID,
			Identifier:    strings.Clone(request.identifier),
			Set:           owned(set),
			Delete:        cloned(remove),
			Replace:       replace,
		})
	}
	if p := list.list(); p != nil {
		return nil, (&problems{}).add("data", p).object()
	}
	return writes, nil
}

// decodeBulkIdentity reads one identity of the list. Unlike in POST identities/ nobody is no identity, and what cannot be
// stored is refused with the rest.
func decodeBulkIdentity(request *identifyRequest, item *fastjson.Value) problem {
	if item.Type() == fastjson.TypeNull {
		return messages(msgNull)
	}
	if p := request.decode(item); p != nil {
		return p
	}
	if request.identifier == "" {
		object, _ := item.Object()
		_, p := requiredText(member(object, "identifier"), maxIdentifierChars)
		return (&problems{}).add("identifier", p).object()
	}
	if request.transient {
		return nil
	}
	return storeProblems(request.traits)
}
