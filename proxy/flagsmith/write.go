package flagsmith

import (
	"context"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// write stores a change of an identity and puts what came of it into memory, so that the next request on this node sees it.
// It returns once the change is durable.
func (h *Handler) write(w TraitWrite) (TraitResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.Timeout)
	defer cancel()
	result, err := h.cfg.Writer.Write(ctx, w)
	if err != nil {
		return result, err
	}
	stored := NewStoredIdentity(result.Identity)
	id := IdentityCacheID(w.EnvironmentID, w.Identifier)
	if _, err := h.cfg.Identities.PutValue(id, stored, stored.bytes(), cachetier.Entry{Version: stored.Version}); err != nil {
		// Stored but not cached: what memory may hold is older and must not be believed.
		h.cfg.Identities.Remove(id)
	}
	return result, nil
}

// failWrite answers a request whose write failed.
func (h *Handler) failWrite(ctx *fasthttp.RequestCtx, ep *endpoint, err error) {
	switch {
	case errors.Is(err, ErrNotInteger):
		ep.fail(ctx, fasthttp.StatusBadRequest, messages("Trait is not an integer."))
	case errors.Is(err, ErrOutOfRange):
		ep.fail(ctx, fasthttp.StatusBadRequest, (&problems{}).add("increment_by",
			messages("Ensure the trait stays between "+strconv.Itoa(-1<<31)+" and "+strconv.Itoa(1<<31-1)+".")).object())
	default:
		h.degraded.report("store traits", err)
		ep.unavailable(ctx, "Traits cannot be stored at the moment.")
	}
}

// mayStoreTraits checks what the organisation allows, before the body is looked at.
func mayStoreTraits(ctx *fasthttp.RequestCtx, ep *endpoint, env *Environment) bool {
	if !env.persistTraits {
		ep.fail(ctx, fasthttp.StatusForbidden, detail(msgStoreTraits))
		return false
	}
	return true
}

// maySetTraits checks what the environment allows the kind of key, after the body was read.
func maySetTraits(ctx *fasthttp.RequestCtx, ep *endpoint, env *Environment, serverKey bool) bool {
	if !serverKey && !env.allowClientTraits {
		ep.fail(ctx, fasthttp.StatusBadRequest, nonField(msgSetTraits))
		return false
	}
	return true
}

// storedTrait is a trait to store, with memory of its own.
func storedTrait(key string, value engine.Value) []engine.Trait {
	return owned([]engine.Trait{{Key: key, Value: value}})
}
