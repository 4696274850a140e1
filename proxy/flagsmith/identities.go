package flagsmith

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

var (
	identitiesEndpoint = plainEndpoint(varyIdentity, allowIdentities)
	missingIdentifier  = detail("Missing identifier")
)

// getIdentity serves GET identities/: stored traits, and an identity that is created by being asked for.
func (h *Handler) getIdentity(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	args := ctx.QueryArgs()
	identifier := unsafeString(args.Peek("identifier"))
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
	if word := args.Peek("transient"); len(word) > 0 {
		off, known := booleanText(unsafeString(word))
		transient = off || !known
	}
	ws := h.workspace()
	defer h.release(ws)
	subject := subject{env: env, view: env.view(serverKey), feature: args.Peek("feature")}
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
	body := h.body(ctx, identitiesEndpoint, ws)
	if body == nil {
		return
	}
	request := &ws.request
	if p := request.decode(body); p != nil {
		identitiesEndpoint.fail(ctx, fasthttp.StatusBadRequest, p)
		return
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
		h.answer(ctx, ws, s, stored.traits)
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

// answer evaluates ws.identity and writes the response. traits are the rendered traits, or nil to render those of the
// identity.
func (h *Handler) answer(ctx *fasthttp.RequestCtx, ws *workspace, s *subject, traits []byte) {
	env := s.env
	identity := &ws.identity
	hashKey := ""
	if !env.compositeKey {
		// Upstream hashes by the row's id, and by the word None where there is no row.
		ws.hashKey = append(ws.hashKey[:0], "None"...)
		if identity.ID != 0 {
			ws.hashKey = strconv.AppendInt(ws.hashKey[:0], identity.ID, 10)
		}
		hashKey = unsafeString(ws.hashKey)
	}
	identity.WithoutOverrides = s.withoutOverrides
	ws.outcomes = env.rules.Evaluate(identity, hashKey, &ws.scratch, ws.outcomes[:0])

	env.identityHeader.WriteHeader(ctx)
	if len(s.feature) > 0 {
		h.answerOne(ctx, ws, s)
		return
	}
	dst := ctx.Response.SwapBody(nil)[:0]
	dst = append(dst, `{"identifier":`...)
	dst = pyjson.AppendString(dst, identity.Identifier)
	dst = append(dst, `,"traits":`...)
	switch {
	case env.hideSensitive:
		dst = append(dst, "[]"...)
	case traits != nil:
		dst = append(dst, traits...)
	default:
		dst = appendTraits(dst, identity.Traits)
	}
	dst = append(dst, `,"flags":[`...)
	dst = appendFlags(dst, s.view, ws.outcomes)
	dst = append(dst, "]}"...)
	ctx.Response.SwapBody(dst)
	finish(ctx)
}

// appendFlags picks the fragment of each outcome. Each ends in a comma; the last one's is taken back.
func appendFlags(dst []byte, v *view, outcomes []engine.OutcomeID) []byte {
	before := len(dst)
	for _, o := range outcomes {
		dst = append(dst, v.fragments[o]...)
	}
	if len(dst) > before {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// answerOne answers GET identities/?feature=: case matters here.
func (h *Handler) answerOne(ctx *fasthttp.RequestCtx, ws *workspace, s *subject) {
	i, ok := s.env.featureByName[unsafeString(s.feature)]
	if ok {
		if fragment := s.view.fragments[ws.outcomes[i]]; fragment != nil {
			ctx.Response.SetBodyRaw(fragment[:len(fragment)-1])
			finish(ctx)
			return
		}
	}
	ctx.SetStatusCode(fasthttp.StatusNotFound)
	ctx.Response.SetBodyRaw(flagNotFound)
	finish(ctx)
}
