package flagsmith

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
	"github.com/flagstaff-io/flagstaff/proxy"
)

var (
	identitiesEndpoint = plainEndpoint(varyIdentity, allowIdentities)
	missingIdentifier  = detail("Missing identifier")
)

// getIdentity serves GET identities/: stored traits, and an identity that is created by being asked for.
func (h *Handler) getIdentity(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	identifier := unsafeString(queryValue(ctx, "identifier"))
	if !utf8.ValidString(identifier) {
		identifier = strings.ToValidUTF8(identifier, "\ufffd")
	}
	// Upstream trims in POST but not in GET, which makes two identities of one.
	identifier = stripped(identifier)
	switch {
	case identifier == "":
		identitiesEndpoint.ok(ctx, missingIdentifier)
		return
	case len(identifier) > maxIdentifierChars && utf8.RuneCountInString(identifier) > maxIdentifierChars:
		identitiesEndpoint.fail(ctx, fasthttp.StatusBadRequest, (&problems{}).add("identifier", messages(msgTooLong(maxIdentifierChars))).object())
		return
	case strings.IndexByte(identifier, 0) >= 0:
		identitiesEndpoint.fail(ctx, fasthttp.StatusBadRequest, (&problems{}).add("identifier", messages(msgNoNUL)).object())
		return
	}
	// Upstream takes any text for transient, "false" too. A boolean is what its callers mean.
	var transient bool
	if word := queryValue(ctx, "transient"); len(word) > 0 {
		off, known := booleanText(unsafeString(word))
		transient = off || !known
	}
	ws := h.workspace()
	defer h.release(ws)
	subject := subject{env: env, view: env.view(serverKey), feature: queryValue(ctx, "feature")}
	if transient {
		ws.identity = engine.Identity{Identifier: identifier}
		subject.withoutOverrides = true
		h.answer(ctx, ws, &subject, nil)
		return
	}
	h.identify(ctx, ws, &subject, identifier, nil)
}

// postIdentity serves POST identities/.
func (h *Handler) postIdentity(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	ws := h.workspace()
	defer h.release(ws)
	request := &ws.request
	if !bytes.Equal(proxy.MediaType(ctx), typeJSON) || !request.decodePlain(ctx.Request.Body()) {
		body := h.body(ctx, identitiesEndpoint, ws)
		if body == nil {
			return
		}
		if p := request.decode(body); p != nil {
			identitiesEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
			return
		}
	}
	incoming := request.traits
	if !serverKey && !env.allowClientTraits {
		incoming = incoming[:0]
	}
	subject := subject{env: env, view: env.view(serverKey)}
	switch {
	case request.identifier == "":
		// Nobody: evaluated under a name of its own, never stored.
		ws.merged = withoutNull(ws.merged[:0], incoming, true)
		ws.identity = engine.Identity{Identifier: anonymousIdentifier(incoming), Traits: ws.merged}
		subject.withoutOverrides = true
		h.answer(ctx, ws, &subject, nil)
	case request.transient:
		h.identifyTransient(ctx, ws, &subject, request.identifier, incoming)
	default:
		h.identify(ctx, ws, &subject, request.identifier, incoming)
	}
}

// identifyTransient evaluates an identity without storing anything. What is stored already is used.
func (h *Handler) identifyTransient(ctx *fasthttp.RequestCtx, ws *workspace, s *subject, identifier string, incoming []engine.Trait) {
	stored, err := h.stored(ws, s.env, identifier)
	switch {
	case err == nil:
		ws.merged = laidOver(ws.merged[:0], stored.Traits, incoming, true)
		ws.identity = stored.Identity
	case errors.Is(err, cachetier.ErrNotFound):
		ws.merged = withoutNull(ws.merged[:0], incoming, true)
		ws.identity = engine.Identity{Identifier: identifier}
	default:
		h.degraded.report("find an identity", err)
		ws.merged = withoutNull(ws.merged[:0], incoming, true)
		ws.identity = engine.Identity{Identifier: identifier}
	}
	ws.identity.Traits = ws.merged
	h.answer(ctx, ws, s, nil)
}

// identify evaluates an identity that is stored, or will be, and stores what its traits bring that is new.
func (h *Handler) identify(ctx *fasthttp.RequestCtx, ws *workspace, s *subject, identifier string, incoming []engine.Trait) {
	stored, err := h.stored(ws, s.env, identifier)
	exists := err == nil
	switch {
	case exists && unchanged(stored.Traits, incoming):
		// The usual case: nothing to merge, nothing to write, and the traits are rendered already.
		ws.identity = stored.Identity
		h.answer(ctx, ws, s, stored)
		return
	case err != nil && !errors.Is(err, cachetier.ErrNotFound):
		h.identifyBlind(ctx, ws, s, identifier, incoming, err)
		return
	case !s.env.persistTraits && exists:
		ws.merged = laidOver(ws.merged[:0], stored.Traits, incoming, false)
		ws.identity = stored.Identity
		ws.identity.Traits = ws.merged
		h.answer(ctx, ws, s, nil)
		return
	}
	set, remove, transient := split(incoming)
	if !s.env.persistTraits {
		set, remove, transient = nil, nil, withoutNull(nil, incoming, false)
	}
	if !exists || len(set) > 0 || len(remove) > 0 {
		if p := storeProblems(incoming); p != nil && s.env.persistTraits {
			identitiesEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
			return
		}
		result, err := h.write(TraitWrite{EnvironmentID: s.env.ID, Identifier: strings.Clone(identifier), Set: owned(set), Delete: cloned(remove)})
		if err != nil {
			h.identifyBlind(ctx, ws, s, identifier, incoming, err)
			return
		}
		ws.identity = result.Identity
		ws.merged = shown(ws.merged[:0], &result, set)
	} else {
		ws.identity = stored.Identity
		ws.merged = append(ws.merged[:0], stored.Traits...)
	}
	list := traitIndex{traits: ws.merged}
	for _, t := range transient {
		if t.Value.Kind() != engine.KindNull || exists {
			list.put(t)
		}
	}
	ws.merged = list.traits
	ws.identity.Traits = ws.merged
	h.answer(ctx, ws, s, nil)
}

// identifyBlind answers for an identity that cannot be read or created now: its overrides are in the environment, its stored
// traits are not to be had. Only a request that brings traits to store is refused.
func (h *Handler) identifyBlind(ctx *fasthttp.RequestCtx, ws *workspace, s *subject, identifier string, incoming []engine.Trait, err error) {
	set, remove, _ := split(incoming)
	if s.env.persistTraits && (len(set) > 0 || len(remove) > 0) {
		h.failWrite(ctx, identitiesEndpoint, err)
		return
	}
	h.degraded.report("find an identity", err)
	ws.merged = withoutNull(ws.merged[:0], incoming, false)
	ws.identity = engine.Identity{Identifier: identifier, Traits: ws.merged}
	h.answer(ctx, ws, s, nil)
}

// stored finds an identity in memory or behind it.
func (h *Handler) stored(ws *workspace, env *Environment, identifier string) (*StoredIdentity, error) {
	ws.cacheID = appendIdentityCacheID(ws.cacheID[:0], env.ID, identifier)
	stored, state := h.cfg.Identities.Peek(unsafeString(ws.cacheID))
	switch state {
	case cachetier.Hit:
		return stored, nil
	case cachetier.Negative:
		return nil, cachetier.ErrNotFound
	}
	return get(h, h.cfg.Identities, string(ws.cacheID))
}

// shown lists the traits of a written identity as upstream shows them: a trait that was added to an identity that existed
// has no id in this one answer.
func shown(dst []engine.Trait, result *TraitResult, set []engine.Trait) []engine.Trait {
	before, sent := traitIndex{traits: result.Before.Traits}, traitIndex{traits: set}
	for _, t := range result.Identity.Traits {
		if result.Before.ID != 0 && before.find(t.Key) < 0 && sent.find(t.Key) >= 0 {
			t.ID = 0
		}
		dst = append(dst, t)
	}
	return dst
}

// storeProblems lists the traits that cannot be stored, in the places they were sent; nil when all can. A value that a
// later one of the same key replaces counts too: it is wrong either way.
func storeProblems(incoming []engine.Trait) problem {
	var list problemList
	for _, t := range incoming {
		if p := storable(t.Value); p != nil && !t.Transient {
			list.add((&problems{}).add("trait_value", p).object())
		} else {
			list.add(nil)
		}
	}
	return (&problems{}).add("traits", list.list()).object()
}

func cloned(keys []string) []string {
	keys = slices.Clone(keys)
	for i, k := range keys {
		keys[i] = strings.Clone(k)
	}
	return keys
}

// subject is who is evaluated, and for whom.
type subject struct {
	env              *Environment
	view             *view
	feature          []byte // answer this one flag only
	withoutOverrides bool   // the identity is nobody's: identity overrides are not for it
}

// answer evaluates ws.identity and writes the response. stored is where the identity was found unchanged, else nil.
func (h *Handler) answer(ctx *fasthttp.RequestCtx, ws *workspace, s *subject, stored *StoredIdentity) {
	env := s.env
	identity := &ws.identity
	identity.WithoutOverrides = s.withoutOverrides
	outcomes := evaluate(ws, env, stored)

	env.identityHeader.WriteHeader(ctx)
	finish(ctx)
	if len(s.feature) > 0 {
		answerOne(ctx, s, outcomes)
		return
	}
	head := append(ws.body.head[:0], `{"identifier":`...)
	head = pyjson.AppendString(head, identity.Identifier)
	head = append(head, `,"traits":`...)
	switch {
	case env.hideSensitive:
		head = append(head, "[]"...)
	case stored != nil:
		head = append(head, stored.traits...)
	default:
		head = appendTraits(head, identity.Traits)
	}
	head = append(head, `,"flags":[`...)
	ws.body = identityBody{handler: h, ws: ws, head: head, view: s.view, outcomes: outcomes}
	ws.lent = true
	ctx.Response.SetBodyStream(&ws.body, ws.body.size())
}

// evaluate returns the outcome of each feature for ws.identity. They may belong to stored, or to ws.
func evaluate(ws *workspace, env *Environment, stored *StoredIdentity) []engine.OutcomeID {
	if stored != nil {
		if known := stored.evaluated(env); known != nil {
			return known
		}
	}
	hashKey := ""
	if !env.compositeKey {
		// Upstream hashes by the row's id, and by the word None where there is no row.
		ws.hashKey = append(ws.hashKey[:0], "None"...)
		if ws.identity.ID != 0 {
			ws.hashKey = strconv.AppendInt(ws.hashKey[:0], ws.identity.ID, 10)
		}
		hashKey = unsafeString(ws.hashKey)
	}
	ws.outcomes = env.rules.Evaluate(&ws.identity, hashKey, &ws.scratch, ws.outcomes[:0])
	if stored != nil {
		stored.remember(env, ws.outcomes)
	}
	return ws.outcomes
}

// answerOne answers GET identities/?feature=: case matters here.
func answerOne(ctx *fasthttp.RequestCtx, s *subject, outcomes []engine.OutcomeID) {
	if i, ok := s.env.featureByName[unsafeString(s.feature)]; ok {
		if fragment := s.view.fragments[outcomes[i]]; fragment != nil {
			ctx.Response.SetBodyRaw(fragment[:len(fragment)-1])
			return
		}
	}
	ctx.SetStatusCode(fasthttp.StatusNotFound)
	ctx.Response.SetBodyRaw(flagNotFound)
}
