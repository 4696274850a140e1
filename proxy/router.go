package proxy

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// Router finds the handler of a path: an exact path first (one map lookup, no allocation), else the longest prefix that
// was registered, else the fallback. Register everything before the first request; after that it is read only.
type Router struct {
	exact    map[string]fasthttp.RequestHandler
	prefixes []prefixRoute // longest first
	fallback fasthttp.RequestHandler
}

type prefixRoute struct {
	prefix  string
	handler fasthttp.RequestHandler
}

// NewRouter returns a router that gives unknown paths to fallback.
func NewRouter(fallback fasthttp.RequestHandler) *Router {
	return &Router{exact: make(map[string]fasthttp.RequestHandler), fallback: fallback}
}

// Exact registers the handler of one path. Registering a path twice is a bug of the caller.
func (r *Router) Exact(path string, h fasthttp.RequestHandler) {
	if _, taken := r.exact[path]; taken {
		panic("BUG: path registered twice: " + path)
	}
	r.exact[path] = h
}

// Both registers a path that ends in a slash together with its form without one: upstream redirects between them, which
// loses the body of a POST, so both are served here.
func (r *Router) Both(path string, h fasthttp.RequestHandler) {
	r.Exact(path, h)
	r.Exact(strings.TrimSuffix(path, "/"), h)
}

// Prefix registers the handler of every path below prefix that no exact route and no longer prefix takes.
func (r *Router) Prefix(prefix string, h fasthttp.RequestHandler) {
	at := 0
	for at < len(r.prefixes) && len(r.prefixes[at].prefix) >= len(prefix) {
		at++
	}
	r.prefixes = append(r.prefixes, prefixRoute{})
	copy(r.prefixes[at+1:], r.prefixes[at:])
	r.prefixes[at] = prefixRoute{prefix: prefix, handler: h}
}

// Handle serves one request.
func (r *Router) Handle(ctx *fasthttp.RequestCtx) {
	path := ctx.Path()
	if h, ok := r.exact[string(path)]; ok {
		h(ctx)
		return
	}
	for i := range r.prefixes {
		p := &r.prefixes[i]
		if len(path) > len(p.prefix) && string(path[:len(p.prefix)]) == p.prefix {
			p.handler(ctx)
			return
		}
	}
	r.fallback(ctx)
}
