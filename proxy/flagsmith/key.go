package flagsmith

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
)

// Key is what the keyring knows of an SDK key: whose it is and whether it may be used.
type Key struct {
	EnvironmentID int64      `json:"environment_id"`
	Server        bool       `json:"server"`
	Active        bool       `json:"active"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`

	environment string // the id in the environments' cache
}

// DecodeKey makes a Key of a cache entry.
func DecodeKey(_ string, entry cachetier.Entry) (*Key, int64, error) {
	k := new(Key)
	if err := json.Unmarshal(entry.Body, k); err != nil {
		return nil, 0, fmt.Errorf("decode SDK key: %w", err)
	}
	k.environment = EnvironmentCacheID(k.EnvironmentID)
	return k, int64(len(entry.Body)) + 256, nil
}

// EnvironmentCacheID is the id of an environment in its cache.
func EnvironmentCacheID(id int64) string { return strconv.FormatInt(id, 10) }

// usable tells whether the key opens anything now. Upstream's core API never looks; a key that was switched off must not go
// on working.
func (k *Key) usable(now time.Time) bool {
	return k.Active && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))
}

var (
	headerEnvironmentKey = []byte("X-Environment-Key")
	serverKeyPrefix      = []byte("ser.")

	noKeyProblem      = detail("Invalid or missing Environment key")
	unknownKeyProblem = detail("Invalid or missing Environment Key")
	disabledProblem   = detail("Organisation is disabled from serving flags.")
)

// authenticate finds the environment of the request's key. When there is none it has answered and returns nil. That a key is
// unknown, that its environment cannot be loaded now, and that the key is of the wrong kind are three different answers.
func (h *Handler) authenticate(ctx *fasthttp.RequestCtx, ep *endpoint) (*Environment, bool) {
	text := ctx.Request.Header.PeekCanonical(headerEnvironmentKey)
	if len(text) == 0 || ep.serverKeyOnly && !bytes.HasPrefix(text, serverKeyPrefix) {
		ep.fail(ctx, fasthttp.StatusForbidden, noKeyProblem)
		return nil, false
	}
	key, state := h.cfg.Keys.Peek(unsafeString(text))
	if state == cachetier.Miss {
		if len(text) > maxKeyChars { // no such key exists; do not let it occupy the cache
			state = cachetier.Negative
		} else {
			var err error
			if key, err = get(h, h.cfg.Keys, string(text)); err != nil {
				h.failLoad(ctx, ep, "find the SDK key", err)
				return nil, false
			}
		}
	}
	if state == cachetier.Negative || !key.usable(ctx.Time()) || ep.serverKeyOnly && !key.Server {
		ep.fail(ctx, fasthttp.StatusForbidden, unknownKeyProblem)
		return nil, false
	}
	env, state := h.cfg.Environments.Peek(key.environment)
	if state != cachetier.Hit {
		var err error
		if env, err = get(h, h.cfg.Environments, key.environment); err != nil {
			h.failLoad(ctx, ep, "load the environment", err)
			return nil, false
		}
	}
	if env.stopServing {
		ep.fail(ctx, fasthttp.StatusForbidden, disabledProblem)
		return nil, false
	}
	return env, key.Server
}

// maxKeyChars is the width of upstream's column.
const maxKeyChars = 100

// get waits for a cache to fill, as long as a request may wait.
func get[V any](h *Handler, cache *cachetier.Cache[V], id string) (V, error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.Timeout)
	defer cancel()
	return cache.Get(ctx, id)
}

// failLoad answers a request whose key or environment could not be read.
func (h *Handler) failLoad(ctx *fasthttp.RequestCtx, ep *endpoint, doing string, err error) {
	if isNotFound(err) {
		ep.fail(ctx, fasthttp.StatusForbidden, unknownKeyProblem)
		return
	}
	h.degraded.report(doing, err)
	ep.unavailable(ctx, "The environment cannot be loaded at the moment.")
}

func isNotFound(err error) bool { return errors.Is(err, cachetier.ErrNotFound) }
