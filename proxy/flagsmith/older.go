package flagsmith

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/evaluator/pyjson"
)

// The routes of this file are older than the SDKs in use. Upstream still serves them, so they are served here: rendered on the
// spot, for nobody is in a hurry on them.

var (
	variantsPath   = regexp.MustCompile(`^/api/v1/flags/([0-9]+)/multivariate-options/?$`)
	oldFlagsPath   = regexp.MustCompile(`^/api/v1/flags/([-\w@%.]+)$`)
	oldTraitPath   = regexp.MustCompile(`^/api/v1/identities/([-\w@%.]+)/traits/([-\w@%.]+)/?$`)
	oldProfilePath = regexp.MustCompile(`^/api/v1/identities/([-\w@%.]+)/?$`)
	oldEndpoint    = plainEndpoint(varyOther, allowGet)
	notFound       = Fallback(fasthttp.StatusNotFound, "Not found.")
)

// pathPart returns the n-th captured part of the request's path.
func pathPart(ctx *fasthttp.RequestCtx, path *regexp.Regexp, n int) string {
	m := path.FindSubmatch(ctx.Path())
	if len(m) <= n {
		return ""
	}
	return string(m[n])
}

// oldFlagsRoutes serves what lies below flags/.
func (h *Handler) oldFlagsRoutes() fasthttp.RequestHandler {
	variants := h.serve(endpoint{name: "Multivariate Options", allow: allowGet, get: h.getVariants})
	flags := h.serve(endpoint{name: "SDK Feature States", allow: allowGet, vary: varyFlags, get: h.oldFlags})
	return func(ctx *fasthttp.RequestCtx) {
		switch {
		case variantsPath.Match(ctx.Path()):
			variants(ctx)
		case oldFlagsPath.Match(ctx.Path()):
			flags(ctx)
		default:
			notFound(ctx)
		}
	}
}

// oldIdentityRoutes serves what lies below identities/.
func (h *Handler) oldIdentityRoutes() fasthttp.RequestHandler {
	trait := h.serve(endpoint{name: "SDK Traits", allow: allowPost, post: h.storing(traitEndpoint, h.oldTrait)})
	profile := h.serve(endpoint{name: "SDK Identities", allow: allowGet, get: h.oldProfile})
	return func(ctx *fasthttp.RequestCtx) {
		switch {
		case oldTraitPath.Match(ctx.Path()):
			trait(ctx)
		case oldProfilePath.Match(ctx.Path()):
			profile(ctx)
		default:
			notFound(ctx)
		}
	}
}

// getVariants serves GET flags/{feature id}/multivariate-options/. Upstream forgets that client keys do not see each feature.
func (h *Handler) getVariants(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	id, _ := strconv.ParseInt(pathPart(ctx, variantsPath, 1), 10, 64)
	i, ok := env.featureByID[id]
	if !ok || !serverKey && slices.Contains(env.doc.Project.ServerKeyOnlyFeatureID, id) {
		oldEndpoint.fail(ctx, fasthttp.StatusNotFound, detail("No Feature matches the given query."))
		return
	}
	state := &env.doc.FeatureStates[i]
	dst := appendJSON([]byte(`{"control_value":`), state.Value)
	dst = append(dst, `,"options":[`...)
	for n := range state.Variants {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"value":`...)
		dst = appendJSON(dst, state.Variants[n].Option.Value)
		dst = append(dst, '}')
	}
	oldEndpoint.ok(ctx, append(dst, "]}"...))
}

// pathText reads a name from the path, within the limit of its column. When it is too long it has answered and returns "".
func pathText(ctx *fasthttp.RequestCtx, ep *endpoint, path *regexp.Regexp, n int, field string, limit int) string {
	s := pathPart(ctx, path, n)
	if len(s) > limit && utf8.RuneCountInString(s) > limit {
		ep.fail(ctx, fasthttp.StatusBadRequest, (&problems{}).add(field, messages(msgTooLong(limit))).object())
		return ""
	}
	return s
}

// oldIdentity finds an identity by its name in the path, and creates it where it is not there. Where neither can be done now, it
// is evaluated without stored traits. When the name is too long it has answered and returns false.
func (h *Handler) oldIdentity(ctx *fasthttp.RequestCtx, ws *workspace, env *Environment, path *regexp.Regexp) (engine.Identity, bool) {
	identifier := pathText(ctx, oldEndpoint, path, 1, "identifier", maxIdentifierChars)
	if identifier == "" {
		return engine.Identity{}, false
	}
	stored, err := h.stored(ws, env, identifier)
	if err == nil {
		return stored.Identity, true
	}
	if errors.Is(err, cachetier.ErrNotFound) {
		var result TraitResult
		if result, err = h.write(TraitWrite{EnvironmentID: env.ID, Identifier: identifier}); err == nil {
			return result.Identity, true
		}
	}
	h.degraded.report("find an identity", err)
	return engine.Identity{Identifier: identifier}, true
}

// controlFlags renders an identity's flags as GET flags/ would: overrides apply, variants show their control value.
func (h *Handler) controlFlags(ws *workspace, env *Environment, identity *engine.Identity, hidden func(o *engine.Outcome) bool) [][]byte {
	outcomes := env.rules.Outcomes()
	ws.outcomes = env.rules.Evaluate(identity, "", &ws.scratch, ws.outcomes[:0])
	r := newRenderer(env.doc)
	var flags [][]byte
	for _, id := range ws.outcomes {
		control := outcomes[id]
		control.Value = control.State.Value
		if !hidden(&control) {
			flags = append(flags, r.appendFlag(nil, &control, false))
		}
	}
	return flags
}

func joinFlags(dst []byte, flags [][]byte) []byte {
	dst = append(dst, '[')
	for i, f := range flags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f...)
	}
	return append(dst, ']')
}

// oldFlags serves GET flags/{identifier}.
func (h *Handler) oldFlags(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	ws := h.workspace()
	defer h.release(ws)
	identity, ok := h.oldIdentity(ctx, ws, env, oldFlagsPath)
	if !ok {
		return
	}
	name := strings.ToLower(string(queryValue(ctx, "feature")))
	flags := h.controlFlags(ws, env, &identity, func(o *engine.Outcome) bool {
		return env.hidden(o, serverKey) || name != "" && strings.ToLower(o.State.Feature.Name) != name
	})
	switch {
	case name == "":
		oldEndpoint.ok(ctx, joinFlags(nil, flags))
	case len(flags) == 0:
		oldEndpoint.fail(ctx, fasthttp.StatusNotFound, flagNotFound)
	default:
		oldEndpoint.ok(ctx, flags[0])
	}
}

// oldProfile serves GET identities/{identifier}/: flags, traits and the segments that the identity is in. Upstream shows
// server-key-only features here; a client key must not see them on any path.
func (h *Handler) oldProfile(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	ws := h.workspace()
	defer h.release(ws)
	identity, ok := h.oldIdentity(ctx, ws, env, oldProfilePath)
	if !ok {
		return
	}
	flags := h.controlFlags(ws, env, &identity, func(o *engine.Outcome) bool { return env.hidden(o, serverKey) })
	dst := joinFlags([]byte(`{"flags":`), flags)
	dst = append(dst, `,"traits":`...)
	if env.hideSensitive {
		dst = append(dst, "[]"...)
	} else {
		dst = appendTraits(dst, identity.Traits)
	}
	dst = append(dst, `,"segments":[`...)
	for i, s := range env.rules.Segments(&identity, "", &ws.scratch, nil) {
		segment := &env.doc.Project.Segments[s]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = strconv.AppendInt(dst, segment.ID, 10)
		dst = append(dst, `,"name":`...)
		dst = pyjson.AppendString(dst, segment.Name)
		dst = append(dst, `,"description":`...)
		dst = appendOptional(dst, segment.Description)
		dst = append(dst, '}')
	}
	oldEndpoint.ok(ctx, append(dst, "]}"...))
}

// oldTrait serves POST identities/{identifier}/traits/{trait key}.
func (h *Handler) oldTrait(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool, body *fastjson.Value) {
	var raw *fastjson.Value
	if object, err := body.Object(); err == nil {
		raw = member(object, "trait_value")
	}
	if raw == nil || raw.Type() == fastjson.TypeNull {
		traitEndpoint.fail(ctx, fasthttp.StatusBadRequest, detail("Trait value not provided"))
		return
	}
	value, p := traitValue(raw, new([]byte))
	if p == nil {
		p = storable(value)
	}
	if p != nil {
		traitEndpoint.fail(ctx, fasthttp.StatusBadRequest, (&problems{}).add("trait_value", p).object())
		return
	}
	if !maySetTraits(ctx, traitEndpoint, env, serverKey) {
		return
	}
	identifier := pathText(ctx, traitEndpoint, oldTraitPath, 1, "identifier", maxIdentifierChars)
	if identifier == "" {
		return
	}
	key := pathText(ctx, traitEndpoint, oldTraitPath, 2, "trait_key", maxTraitKeyChars)
	if key == "" {
		return
	}
	result, err := h.write(TraitWrite{EnvironmentID: env.ID, Identifier: identifier, Set: storedTrait(key, value)})
	if err != nil {
		h.failWrite(ctx, traitEndpoint, err)
		return
	}
	list := appendTraits(nil, result.Identity.Traits[indexOf(result.Identity.Traits, key):][:1])
	traitEndpoint.ok(ctx, list[1:len(list)-1])
}
