package flagsmith_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy"
	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

const maxBodyBytes = 1 << 20

// rig is the handler over caches whose sources are doubles. Requests reach it through a real server on an in-memory
// listener (newRig), or straight through the router (newHandlerRig), which spares tests with many rigs the 100 ms that
// fasthttp takes to drain.
type rig struct {
	t testing.TB

	keySource, documents *cachetest.Source
	people               *people
	counts               *counts
	health               *health
	realtime             *flagsmith.Realtime

	keys         *cachetier.Cache[*flagsmith.Key]
	environments *cachetier.Cache[*flagsmith.Environment]
	identities   *cachetier.Cache[*flagsmith.StoredIdentity]
	router       *proxy.Router
	server       *proxy.Server
	dial         func() (net.Conn, error)
	client       *http.Client
	stop         func() error // drains the server; called at the end of the test unless it was before
}

// option changes how a rig is built.
type option func(*options)

type options struct {
	realtime flagsmith.RealtimeConfig
	timeout  time.Duration
	server   proxy.Config
	tcp      bool // a listener of the kernel's, for what only that does to a connection
}

func onTCP(o *options) { o.tcp = true }

// newRig starts a server for one environment with a client key and a server key.
func newRig(t testing.TB, doc *engine.Document, opts ...option) *rig {
	t.Helper()
	r := newHandlerRig(t, doc, opts...)
	r.serve(opts...)
	return r
}

// newHandlerRig is newRig without a server. Its requests have no time: keys with an end have expired or not by chance.
func newHandlerRig(t testing.TB, doc *engine.Document, opts ...option) *rig {
	t.Helper()
	var o options
	for _, f := range opts {
		f(&o)
	}
	r := &rig{
		t: t, keySource: cachetest.NewSource(), documents: cachetest.NewSource(),
		people: newPeople(), counts: newCounts(), health: &health{ready: true},
	}
	r.realtime = flagsmith.NewRealtime(o.realtime)
	t.Cleanup(r.realtime.Close)
	r.addKey(clientKey, flagsmith.Key{EnvironmentID: doc.ID, Active: true})
	r.addKey(serverKey, flagsmith.Key{EnvironmentID: doc.ID, Active: true, Server: true})
	r.documents.Set(flagsmith.EnvironmentCacheID(doc.ID), encode(t, doc))

	r.keys = newCache(t, "key", r.keySource.Load, flagsmith.DecodeKey, nil)
	r.environments = newCache(t, "environment", r.documents.Load, flagsmith.DecodeEnvironment,
		func(_ string, env *flagsmith.Environment, _ cachetier.Entry) { r.realtime.Publish(env) })
	r.identities = newCache(t, "identity", r.people.load, flagsmith.DecodeIdentity, nil)

	r.router = proxy.NewRouter(flagsmith.Fallback(fasthttp.StatusNotFound, "Not found."))
	flagsmith.NewHandler(flagsmith.Config{
		Keys: r.keys, Environments: r.environments, Identities: r.identities,
		Writer: r.people, Counter: r.counts, Health: r.health, Realtime: r.realtime,
		Version: flagsmith.Version{Commit: "abc123", Flagstaff: "v0.0.0-test", HasUsers: true},
		Timeout: o.timeout, Log: testLog(t),
	}).Register(r.router)
	r.client = &http.Client{Transport: direct{r.router}}
	return r
}

// direct carries requests to a router in this process.
type direct struct{ router *proxy.Router }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, err
	}
	var ctx fasthttp.RequestCtx
	ctx.Init2(noConn{}, nil, false)
	if err := ctx.Request.Read(bufio.NewReaderSize(&wire, 16<<10)); err != nil {
		return nil, err
	}
	d.router.Handle(&ctx)
	ctx.Response.SkipBody = ctx.IsHead()
	w := bufio.NewWriter(&wire)
	if err := errors.Join(ctx.Response.Write(w), w.Flush()); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(&wire), req)
}

func newCache[V any](t testing.TB, namespace string, load cachetier.Loader,
	decode func(string, cachetier.Entry) (V, int64, error), onSwap func(string, V, cachetier.Entry)) *cachetier.Cache[V] {
	t.Helper()
	c, err := cachetier.New(cachetier.Config[V]{
		Namespace: namespace, MaxBytes: 64 << 20, Load: load, Decode: decode, OnSwap: onSwap, Log: testLog(t),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// serve puts the router behind a server, as cmd does.
func (r *rig) serve(opts ...option) {
	r.t.Helper()
	var o options
	for _, f := range opts {
		f(&o)
	}
	cfg := o.server
	cfg.Handler = r.router.Handle
	cfg.MaxBodyBytes = maxBodyBytes
	cfg.OnClose = r.realtime.Close
	cfg.TooLarge = flagsmith.Fallback(fasthttp.StatusRequestEntityTooLarge, fmt.Sprintf("Request body is larger than %d bytes.", maxBodyBytes))
	cfg.BadRequest = flagsmith.Fallback(fasthttp.StatusBadRequest, "The request could not be read.")
	cfg.Panicked = flagsmith.Fallback(fasthttp.StatusInternalServerError, "Internal server error.")
	cfg.Log = testLog(r.t)
	var err error
	r.server, err = proxy.New(cfg)
	require.NoError(r.t, err)

	ln := r.listen(o.tcp)
	transport := &http.Transport{
		DialContext:           func(context.Context, string, string) (net.Conn, error) { return r.dial() },
		DisableCompression:    true,
		ExpectContinueTimeout: 10 * time.Second,
	}
	r.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, ln) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		transport.CloseIdleConnections()
		return <-done
	})
	r.t.Cleanup(func() { require.NoError(r.t, r.stop()) })
}

func (r *rig) listen(tcp bool) net.Listener {
	if !tcp {
		ln := fasthttputil.NewInmemoryListener()
		r.dial = ln.Dial
		return ln
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.dial = func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
	return ln
}

// addKey makes an SDK key known.
func (r *rig) addKey(text string, key flagsmith.Key) { r.keySource.Set(text, encode(r.t, key)) }

// addEnvironment makes one more environment known, under its client key.
func (r *rig) addEnvironment(doc *engine.Document, key string) {
	r.addKey(key, flagsmith.Key{EnvironmentID: doc.ID, Active: true})
	r.documents.Set(flagsmith.EnvironmentCacheID(doc.ID), encode(r.t, doc))
}

// forget drops all identities once there are many, so that fuzzing does not fill memory.
func (r *rig) forget() {
	if r.people.count() < 1000 {
		return
	}
	for held := range r.identities.All() {
		r.identities.Remove(held.ID)
	}
	r.people.clear()
}

// identityID is the cache id of an identity of the shop.
func identityID(identifier string) string { return flagsmith.IdentityCacheID(shopID, identifier) }

// publish makes doc the newest version of its environment, in the source and in memory.
func (r *rig) publish(doc *engine.Document) {
	r.t.Helper()
	id := flagsmith.EnvironmentCacheID(doc.ID)
	entry := r.documents.Set(id, encode(r.t, doc))
	swapped, err := r.environments.Put(id, entry)
	require.NoError(r.t, err)
	require.True(r.t, swapped)
}

// identify stores an identity with traits of the form `[{"trait_key":…}]`, with the server key.
func (r *rig) identify(identifier, traits string) {
	r.t.Helper()
	a := r.send("POST", "/api/v1/identities/", `{"identifier":`+encode(r.t, identifier)+`,"traits":`+traits+`}`, withKey(serverKey))
	require.Equal(r.t, http.StatusOK, a.status, "%s", a.body)
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// sending changes a request before it is sent.
type sending func(*http.Request)

func withKey(key string) sending { return withHeader("X-Environment-Key", key) }

func withHeader(name, value string) sending {
	return func(req *http.Request) { req.Header.Set(name, value) }
}

func without(name string) sending {
	return func(req *http.Request) { req.Header.Del(name) }
}

// request builds what send sends: the client key, and a JSON content type where there is a body, unless told otherwise.
func (r *rig) request(method, target, body string, how ...sending) *http.Request {
	r.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://flags.test"+target, reader)
	require.NoError(r.t, err)
	req.Header.Set("X-Environment-Key", clientKey)
	req.Header.Set("User-Agent", "flagsmith-go-sdk/v5.0.0")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range how {
		f(req)
	}
	return req
}

// send sends a request and reads the whole answer.
func (r *rig) send(method, target, body string, how ...sending) *answer {
	r.t.Helper()
	a, err := do(r.client, r.request(method, target, body, how...))
	require.NoError(r.t, err)
	return a
}

func do(client *http.Client, req *http.Request) (*answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: string(text)}, nil
}

// get is a GET with the client key that must be answered 200.
func (r *rig) get(target string, how ...sending) *answer {
	r.t.Helper()
	a := r.send("GET", target, "", how...)
	require.Equal(r.t, http.StatusOK, a.status, "%s: %s", target, a.body)
	return a
}

// post is a POST with the client key that must be answered 200.
func (r *rig) post(target, body string, how ...sending) *answer {
	r.t.Helper()
	a := r.send("POST", target, body, how...)
	require.Equal(r.t, http.StatusOK, a.status, "%s %s: %s", target, body, a.body)
	return a
}

// raw sends bytes on a connection of their own and returns all that comes back until the server closes it.
func (r *rig) raw(request string) string {
	r.t.Helper()
	conn, err := r.dial()
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, conn.Close()) }()
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(r.t, err)
	text, err := io.ReadAll(bufio.NewReader(conn))
	require.NoError(r.t, err)
	return string(text)
}

// call is a request that goes straight to the router, in memory that it reuses.
type call struct {
	r   *rig
	ctx fasthttp.RequestCtx
}

// newCall prepares a request for the router.
func (r *rig) newCall(method, target, body, key string) *call {
	c := &call{r: r}
	c.ctx.Init2(noConn{}, nil, false)
	req := &c.ctx.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(target)
	req.Header.SetHost("flags.test")
	req.Header.Set("X-Environment-Key", key)
	if body != "" {
		req.Header.SetContentType("application/json")
		req.SetBodyString(body)
	}
	return c
}

// do serves the request once more, in a response that is empty again.
func (c *call) do() {
	c.ctx.Response.Reset()
	c.r.router.Handle(&c.ctx)
}

// noConn is the connection of a request that came from nowhere.
type noConn struct{ net.Conn }

func (noConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }
func (noConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }

// counts is a flagsmith.EvaluationCounter.
type counts struct {
	mu  sync.Mutex
	sum map[string]int64 // "environment feature"
}

func newCounts() *counts { return &counts{sum: make(map[string]int64)} }

func (c *counts) Add(environmentID int64, feature string, count int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum[fmt.Sprint(environmentID, " ", feature)] += count
}

// take returns the sums and begins anew.
func (c *counts) take() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.sum
	c.sum = make(map[string]int64)
	return sum
}

// health is a flagsmith.Health that says what it is told to.
type health struct {
	mu     sync.Mutex
	checks []flagsmith.Check
	ready  bool
}

func (h *health) Health(context.Context) ([]flagsmith.Check, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.checks, h.ready
}

func (h *health) set(ready bool, checks ...flagsmith.Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready, h.checks = ready, checks
}

func entry(body string) cachetier.Entry { return cachetest.NewEntry(body, 1) }

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// testLog writes to the test's log.
func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// startFasthttpClock makes fasthttp start the goroutine that it never ends. It must not begin inside of synctest.
func startFasthttpClock() {
	var ctx fasthttp.RequestCtx
	_ = ctx.Response.Header.Header() // has a Date
}
