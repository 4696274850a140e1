package proxy_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy"
)

func named(name string) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(name) }
}

func TestRouter(t *testing.T) {
	r := proxy.NewRouter(named("fallback"))
	r.Exact("/exact", named("exact"))
	r.Both("/both/", named("both"))
	r.Prefix("/a/", named("a"))
	r.Prefix("/a/b/c/", named("a b c")) // longer ones are registered in any order
	r.Prefix("/a/b/", named("a b"))
	r.Exact("/a/b/exact", named("exact below a prefix"))
	for path, want := range map[string]string{
		"/exact":      "exact",
		"/exact/":     "fallback",
		"/exactly":    "fallback",
		"/both":       "both",
		"/both/":      "both",
		"/both/x":     "fallback",
		"/a":          "fallback",
		"/a/":         "fallback", // a prefix is for what is below it
		"/a/x":        "a",
		"/a/b":        "a",
		"/a/b/":       "a",
		"/a/b/x":      "a b",
		"/a/b/c/x":    "a b c",
		"/a/b/c/":     "a b",
		"/a/b/exact":  "exact below a prefix",
		"/":           "fallback",
		"/./exact":    "exact", // fasthttp normalizes
		"/x/../exact": "exact",
		"/ex%61ct":    "exact",
		"/EXACT":      "fallback",
		"/exact?x=1":  "exact",
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI(path)
		r.Handle(&ctx)
		require.Equal(t, want, string(ctx.Response.Body()), path)
	}
}

func TestPathRegisteredTwiceIsABug(t *testing.T) {
	r := proxy.NewRouter(named(""))
	r.Both("/a/", named(""))
	for _, path := range []string{"/a", "/a/"} {
		require.PanicsWithValue(t, "BUG: path registered twice: "+path, func() { r.Exact(path, named("")) })
	}
}

func BenchmarkRouter(b *testing.B) {
	r := proxy.NewRouter(func(*fasthttp.RequestCtx) { b.Error("fallback") })
	served := 0
	r.Both("/api/v1/flags/", func(*fasthttp.RequestCtx) { served++ })
	r.Prefix("/api/v1/flags/", func(*fasthttp.RequestCtx) { served++ })
	for name, path := range map[string]string{"exact": "/api/v1/flags/", "prefix": "/api/v1/flags/bob"} {
		b.Run("route="+name, func(b *testing.B) {
			var ctx fasthttp.RequestCtx
			ctx.Request.SetRequestURI(path)
			b.ReportAllocs()
			served = 0
			for b.Loop() {
				r.Handle(&ctx)
			}
			if served == 0 {
				b.Fatal("nothing was served")
			}
		})
	}
}
