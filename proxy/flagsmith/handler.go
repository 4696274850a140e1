package flagsmith

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy"
)

// Errors of an IdentityWriter that have an answer of their own. Any other error is answered as ErrUnavailable is.
var (
	// ErrUnavailable: the write did not happen now and may be tried again.
	ErrUnavailable = errors.New("storage is not available")
	// ErrNotInteger: the trait to increment holds something else.
	ErrNotInteger = errors.New("trait is not an integer")
	// ErrOutOfRange: the incremented trait would leave the 32 bits that Flagsmith gives it.
	ErrOutOfRange = errors.New("trait is out of range")
)

// TraitWrite is one change of an identity's stored traits. The writer may keep its strings.
type TraitWrite struct {
	EnvironmentID int64
	Identifier    string
	Set           []engine.Trait
	Delete        []string
	Replace       bool // drop what is stored and not in Set
	Increment     *Increment
}

// Increment adds to an integer trait, which is created from 0.
type Increment struct {
	Key string
	By  int64
}

// TraitResult is what a TraitWrite came to.
type TraitResult struct {
	Identity engine.Identity // after the write, with ids
	Before   engine.Identity // what was stored before; ID 0 when the identity is new
	Value    int64           // of the incremented trait
}

// IdentityWriter stores traits. When Write returns nil, the change is durable. An identity that does not exist is created; a
// write that changes nothing writes nothing.
type IdentityWriter interface {
	Write(ctx context.Context, w TraitWrite) (TraitResult, error)
}

// EvaluationCounter takes what SDKs report about their use of flags. It must be safe for concurrent use and must not block.
type EvaluationCounter interface {
	Add(environmentID int64, feature string, count int64)
}

// Check is one line of the readiness report: "working", or what is wrong.
type Check struct{ Name, Status string }

// Health tells how the node is. Ready false takes it out of the balancer.
type Health interface {
	Health(ctx context.Context) (checks []Check, ready bool)
}

// Config holds what a Handler works with. Keys, Environments, Identities, Writer, Counter and Health are required.
type Config struct {
	Keys         *cachetier.Cache[*Key]
	Environments *cachetier.Cache[*Environment]
	Identities   *cachetier.Cache[*StoredIdentity]
	Writer       IdentityWriter
	Counter      EvaluationCounter
	Health       Health
	Realtime     *Realtime
	Version      Version

	// Timeout bounds what one request waits for the tiers behind memory, or for a write. Zero: 5 s.
	Timeout time.Duration
	Log     *slog.Logger // nil: discard
}

// Handler serves the SDK protocol.
type Handler struct {
	cfg        Config
	workspaces sync.Pool // of *workspace
	degraded   degradation
}

// NewHandler returns the handler of the protocol.
func NewHandler(cfg Config) *Handler {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg}
	h.workspaces.New = func() any { return new(workspace) }
	h.degraded.log = cfg.Log
	return h
}

// The Allow fields.
const (
	allowGet        = "GET, HEAD, OPTIONS"
	allowIdentities = "GET, POST, HEAD, OPTIONS"
	allowPost       = "POST, OPTIONS"
	allowPut        = "PUT, OPTIONS"
	allowPostPut    = "POST, PUT, OPTIONS"
)

// Register adds the protocol's routes.
func (h *Handler) Register(r *proxy.Router) {
	r.Both("/api/v1/flags/", h.serve(endpoint{name: "SDK Feature States", allow: allowGet, vary: varyFlags, jsonOnly: true, get: h.getFlags}))
	r.Both("/api/v1/identities/", h.serve(endpoint{name: "SDK Identities", allow: allowIdentities, vary: varyIdentity, get: h.getIdentity, post: h.postIdentity}))
	r.Both("/api/v1/environment-document/", h.serve(endpoint{name: "SDK Environment API", allow: allowGet, vary: varyDocument, serverKeyOnly: true, get: h.getDocument}))
	r.Both("/api/v1/traits/", h.serve(endpoint{name: "SDK Traits", allow: allowPost, post: h.storing(traitEndpoint, h.postTrait)}))
	r.Both("/api/v1/traits/bulk/", h.serve(endpoint{name: "SDK Traits", allow: allowPut, put: h.storing(traitBulkEndpoint, h.putTraits)}))
	r.Both("/api/v1/traits/increment-value/", h.serve(endpoint{name: "SDK Traits", allow: allowPost, post: h.storing(traitEndpoint, h.incrementTrait)}))
	r.Both("/api/v1/bulk-identities/", h.serve(endpoint{name: "Bulk Identities", allow: allowPostPut, post: h.storing(bulkEndpoint, h.postBulk), put: h.storing(bulkEndpoint, h.putBulk)}))
	r.Both("/api/v1/analytics/flags/", h.serve(endpoint{name: "SDK Analytics Flags", allow: allowPost, post: h.reading(analyticsEndpoint, h.postAnalytics)}))
	r.Both("/api/v2/analytics/flags/", h.serve(endpoint{name: "SDK Analytics Flags V2", allow: allowPost, post: h.reading(analyticsEndpoint, h.postAnalyticsV2)}))
	r.Both("/api/v1/analytics/telemetry/", h.serve(endpoint{name: "Self Hosted Telemetry API", allow: allowPost, keyless: true, post: h.reading(analyticsEndpoint, h.postTelemetry)}))
	// Older routes, which current SDKs do not call.
	r.Prefix("/api/v1/flags/", h.oldFlagsRoutes())
	r.Prefix("/api/v1/identities/", h.oldIdentityRoutes())

	r.Prefix("/sse/environments/", h.stream)
	r.Both("/health/", h.readiness)
	r.Both("/healthcheck/", h.readiness)
	r.Both("/health/readiness/", h.readiness)
	r.Both("/health/liveness/", h.liveness)
	r.Both("/version/", h.version)
}

// An action serves a request whose key was checked. For a keyless endpoint env is nil.
type action func(ctx *fasthttp.RequestCtx, env *Environment, serverKey bool)

// endpoint is one path of the API.
type endpoint struct {
	name           string // as OPTIONS tells it
	allow, vary    string
	get, post, put action
	jsonOnly       bool // refuses a client that wants HTML
	serverKeyOnly  bool
	keyless        bool

	header *proxy.Answer // of answers that name no environment
}

// serve checks what comes before the action, in the order of Django REST framework: what the client accepts, the key, the
// method.
func (h *Handler) serve(ep endpoint) fasthttp.RequestHandler {
	if ep.vary == "" {
		ep.vary = varyOther
	}
	ep.header = proxy.NewAnswer(fasthttp.StatusOK, fields(contentJSON, ep.vary, ep.allow), nil, false)
	describe := ep.describe()
	return func(ctx *fasthttp.RequestCtx) {
		if isPreflight(ctx) {
			preflightAnswer.Write(ctx)
			return
		}
		if status, p := ep.negotiate(ctx); p != nil {
			ep.fail(ctx, status, p)
			return
		}
		var env *Environment
		var serverKey bool
		if !ep.keyless {
			if env, serverKey = h.authenticate(ctx, &ep); env == nil {
				return
			}
		}
		switch act := ep.action(ctx); {
		case act != nil:
			act(ctx, env, serverKey)
		case ctx.IsOptions():
			ep.ok(ctx, describe)
		default:
			p := detail("Method \"" + string(ctx.Method()) + "\" not allowed.")
			ep.fail(ctx, fasthttp.StatusMethodNotAllowed, p)
		}
	}
}

// action finds what the method asks for; nil: nothing.
func (ep *endpoint) action(ctx *fasthttp.RequestCtx) action {
	switch h := &ctx.Request.Header; {
	case h.IsGet(), h.IsHead():
		return ep.get
	case h.IsPost():
		return ep.post
	case h.IsPut():
		return ep.put
	}
	return nil
}

// ok answers 200 with JSON.
func (ep *endpoint) ok(ctx *fasthttp.RequestCtx, body []byte) {
	ep.header.WriteHeader(ctx)
	ctx.Response.SetBodyRaw(body)
	finish(ctx)
}

// fail answers with a problem.
func (ep *endpoint) fail(ctx *fasthttp.RequestCtx, status int, p problem) {
	ep.header.WriteHeader(ctx)
	ctx.SetStatusCode(status)
	ctx.Response.SetBodyRaw(p)
	finish(ctx)
}

// unavailable answers 503: the client may come again soon.
func (ep *endpoint) unavailable(ctx *fasthttp.RequestCtx, why string) {
	ep.fail(ctx, fasthttp.StatusServiceUnavailable, detail(why))
	ctx.Response.Header.SetCanonical(headerRetryAfter, []byte("1"))
}

// describe is the answer to OPTIONS.
func (ep *endpoint) describe() []byte {
	return []byte(`{"name":"` + ep.name + `","description":"","renders":["application/json"],` +
		`"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}`)
}

var (
	anyType     = []byte("*/*")
	jsonType    = []byte("application/json")
	anyAppType  = []byte("application/*")
	htmlType    = []byte("text/html")
	anyTextType = []byte("text/*")
)

// negotiate checks Accept and ?format=.
func (ep *endpoint) negotiate(ctx *fasthttp.RequestCtx) (int, problem) {
	if len(ctx.URI().QueryString()) > 0 {
		switch format := queryValue(ctx, "format"); {
		case len(format) == 0, string(format) == "json", string(format) == "api" && !ep.jsonOnly:
		default:
			return fasthttp.StatusNotFound, detail("Not found.")
		}
	}
	accept := ctx.Request.Header.PeekCanonical(headerAccept)
	// What SDKs send is found as it stands; only a stranger's field is worth a copy in lower case.
	if len(accept) == 0 || ep.accepts(accept) || ep.accepts(bytes.ToLower(accept)) {
		return 0, nil
	}
	return fasthttp.StatusNotAcceptable, detail("Could not satisfy the request Accept header.")
}

// accepts looks in an Accept field for a type that the endpoint renders. Where upstream has a page for browsers, they get
// JSON here.
func (ep *endpoint) accepts(field []byte) bool {
	return bytes.Contains(field, anyType) || bytes.Contains(field, jsonType) || bytes.Contains(field, anyAppType) ||
		!ep.jsonOnly && (bytes.Contains(field, htmlType) || bytes.Contains(field, anyTextType))
}

// queryValue returns a parameter of the query, nil when it is absent. Of a repeated one Django takes the last.
func queryValue(ctx *fasthttp.RequestCtx, name string) (value []byte) {
	for k, v := range ctx.QueryArgs().All() {
		if string(k) == name {
			value = v
		}
	}
	return value
}

// plainEndpoint is the endpoint of answers that an action makes itself.
func plainEndpoint(vary, allow string) *endpoint {
	return &endpoint{header: proxy.NewAnswer(fasthttp.StatusOK, fields(contentJSON, vary, allow), nil, false)}
}
