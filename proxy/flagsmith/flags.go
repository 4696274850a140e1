package flagsmith

import (
	"strings"

	"github.com/valyala/fasthttp"
)

var flagNotFound = detail("Given feature not found")

// flagsEndpoint renders what GET flags/?feature= answers: it names no document.
var flagsEndpoint = plainEndpoint(varyFlags, allowGet)

// getFlags serves GET flags/: the environment's defaults, from bytes made at load.
func (h *Handler) getFlags(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool) {
	v := env.view(serverKey)
	if len(ctx.URI().QueryString()) > 0 && ctx.QueryArgs().Has("feature") {
		h.getFlag(ctx, env, v)
		return
	}
	v.flags.Write(ctx)
	finish(ctx)
}

// getFlag serves GET flags/?feature=: one object. Upstream ignores case here; an empty name is the first flag.
func (h *Handler) getFlag(ctx *fasthttp.RequestCtx, env *Environment, v *view) {
	name := string(queryValue(ctx, "feature"))
	var flag []byte
	if name == "" {
		flag = v.first()
	} else if i, ok := env.featureByLower[strings.ToLower(name)]; ok {
		flag = v.list[i]
	}
	if flag == nil {
		flagsEndpoint.fail(ctx, fasthttp.StatusNotFound, flagNotFound)
		return
	}
	flagsEndpoint.ok(ctx, flag)
}
