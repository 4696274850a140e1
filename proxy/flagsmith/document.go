package flagsmith

import (
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy"
)

var documentEndpoint = plainEndpoint(varyDocument, allowGet)

// getDocument serves GET environment-document/ for local evaluation.
func (h *Handler) getDocument(ctx *fasthttp.RequestCtx, env *Environment, _ bool) {
	switch env.validators.Check(&ctx.Request.Header) {
	case proxy.NotModified:
		env.notModified.Write(ctx)
	case proxy.Failed:
		documentEndpoint.fail(ctx, fasthttp.StatusPreconditionFailed, nil)
		return
	default:
		env.document.Write(ctx)
	}
	finish(ctx)
}
