package flagsmith

import (
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy"
)

// CompatibleVersion is the release of Flagsmith whose API this package speaks. Flagsmith's own tools read it from the
// Flagsmith-Version header and from /version/, and refuse servers that are too old.
const CompatibleVersion = "2.265.0"

const (
	headerDocumentUpdatedAt = "X-Flagsmith-Document-Updated-At"
	contentJSON             = "application/json"
)

// The Vary fields. Upstream names the key header with underscores, which no cache understands; here it is its real name.
const (
	varyFlags    = "X-Environment-Key, Accept-Encoding, Origin"
	varyIdentity = "Accept, X-Environment-Key, Origin"
	varyOther    = "Accept, Origin"
	varyDocument = "Accept, X-Environment-Key, Accept-Encoding, Origin"
)

// fields returns the header of an answer of an endpoint, and more behind it. An empty content type is none.
func fields(contentType, vary, allow string, more ...proxy.Header) []proxy.Header {
	h := make([]proxy.Header, 0, 12+len(more))
	if contentType != "" {
		h = append(h, proxy.Header{Name: fasthttp.HeaderContentType, Value: contentType})
	}
	h = append(h, proxy.Header{Name: fasthttp.HeaderVary, Value: vary})
	if allow != "" {
		h = append(h, proxy.Header{Name: fasthttp.HeaderAllow, Value: allow})
	}
	h = append(h,
		proxy.Header{Name: fasthttp.HeaderCacheControl, Value: "max-age=0, no-cache, no-store, must-revalidate, private"},
		proxy.Header{Name: fasthttp.HeaderPragma, Value: "no-cache"},
		proxy.Header{Name: fasthttp.HeaderXFrameOptions, Value: "DENY"},
		proxy.Header{Name: fasthttp.HeaderXContentTypeOptions, Value: "nosniff"},
		proxy.Header{Name: fasthttp.HeaderReferrerPolicy, Value: "same-origin"},
		proxy.Header{Name: "Cross-Origin-Opener-Policy", Value: "same-origin"},
		proxy.Header{Name: "Flagsmith-Version", Value: CompatibleVersion},
	)
	return append(h, more...)
}

// The names are canonical, as fasthttp stores them: PeekCanonical finds them without normalising them first, which saves
// 20 ns each.
var (
	headerAccept        = []byte(fasthttp.HeaderAccept)
	headerExpires       = []byte(fasthttp.HeaderExpires)
	headerOrigin        = []byte(fasthttp.HeaderOrigin)
	headerAllowOrigin   = []byte(fasthttp.HeaderAccessControlAllowOrigin)
	headerExposeHeaders = []byte(fasthttp.HeaderAccessControlExposeHeaders)
	headerRetryAfter    = []byte(fasthttp.HeaderRetryAfter)
	headerRequestMethod = []byte(fasthttp.HeaderAccessControlRequestMethod)
	valueAnyOrigin      = []byte("*")
	// Upstream exposes Retry-After alone, so that a browser SDK on another origin cannot read the document's age and
	// fetches again at every event of the stream.
	valueExposed = []byte("Retry-After, ETag, " + headerDocumentUpdatedAt)
)

// finish sets the fields that depend on the moment and on the request.
func finish(ctx *fasthttp.RequestCtx) {
	now := ctx.Time()
	if now.IsZero() { // the request could not be read
		now = time.Now()
	}
	ctx.Response.Header.SetCanonical(headerExpires, proxy.HTTPDate(now))
	if len(ctx.Request.Header.PeekCanonical(headerOrigin)) > 0 {
		ctx.Response.Header.SetCanonical(headerAllowOrigin, valueAnyOrigin)
		ctx.Response.Header.SetCanonical(headerExposeHeaders, valueExposed)
	}
}

// preflightAnswer is what a CORS preflight gets, on any path and without a key.
var preflightAnswer = proxy.NewAnswer(fasthttp.StatusOK, []proxy.Header{
	{Name: fasthttp.HeaderVary, Value: "Origin"},
	{Name: fasthttp.HeaderAccessControlAllowOrigin, Value: "*"},
	{Name: fasthttp.HeaderAccessControlExposeHeaders, Value: string(valueExposed)},
	{Name: fasthttp.HeaderAccessControlAllowHeaders, Value: "accept, accept-encoding, authorization, content-type, dnt, origin, " +
		"user-agent, x-csrftoken, x-requested-with, sentry-trace, traceparent, tracestate, baggage, x-environment-key, " +
		"x-e2e-test-auth-token, flagsmith-application-name, flagsmith-application-version, flagsmith-sdk-user-agent, " +
		"if-none-match, if-modified-since"},
	{Name: fasthttp.HeaderAccessControlAllowMethods, Value: "DELETE, GET, OPTIONS, PATCH, POST, PUT"},
	{Name: fasthttp.HeaderAccessControlMaxAge, Value: "86400"},
}, nil, false)

// isPreflight tells a CORS preflight from an OPTIONS request.
func isPreflight(ctx *fasthttp.RequestCtx) bool {
	return ctx.IsOptions() && len(ctx.Request.Header.PeekCanonical(headerRequestMethod)) > 0
}
