package flagsmith

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/proxy"
)

// RealtimeConfig bounds the realtime stream.
type RealtimeConfig struct {
	// MaxStreams is the number of clients that may listen at once; one more is answered 503. Zero: 10,000.
	MaxStreams int
	// KeepAlive is the gap between comments on a silent stream. They tell a client that the line lives, and the server that
	// the client does. Zero: 15 s.
	KeepAlive time.Duration
}

// Realtime tells listening SDKs that an environment changed. A stream is a connection that fasthttp handed over: it costs one
// goroutine and no buffer of the server's.
type Realtime struct {
	cfg  RealtimeConfig
	done chan struct{}
	wait sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	streams map[int64]map[*stream]struct{} // by environment
	count   int
}

// stream is one listener. Its channel holds the newest event that was not sent yet, never more: events tell what is true now.
type stream struct{ next chan []byte }

// NewRealtime returns a hub without listeners.
func NewRealtime(cfg RealtimeConfig) *Realtime {
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = 10_000
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = 15 * time.Second
	}
	return &Realtime{cfg: cfg, done: make(chan struct{}), streams: make(map[int64]map[*stream]struct{})}
}

// Publish tells the listeners of an environment that it changed, if its project wants that. It never blocks.
func (r *Realtime) Publish(env *Environment) {
	if !env.realtime {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.streams[env.ID] {
		select {
		case s.next <- env.updatedAtEvent:
		default: // a slow client: the newer event replaces the one that waits
			select {
			case <-s.next:
			default:
			}
			s.next <- env.updatedAtEvent // Publish alone sends, under mu: there is room now
		}
	}
}

// Close ends every stream, each with advice to come back after a time of its own, and waits for them.
func (r *Realtime) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.done)
	}
	r.mu.Unlock()
	r.wait.Wait()
}

// Environments lists the environments that somebody listens to.
func (r *Realtime) Environments() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.streams))
}

// Streams is the number of listeners.
func (r *Realtime) Streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// full tells whether a listener would be refused now.
func (r *Realtime) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed || r.count >= r.cfg.MaxStreams
}

// subscribe adds a listener; nil when there are too many, or the hub is closed.
func (r *Realtime) subscribe(environmentID int64) *stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.count >= r.cfg.MaxStreams {
		return nil
	}
	s := &stream{next: make(chan []byte, 1)}
	of := r.streams[environmentID]
	if of == nil {
		of = make(map[*stream]struct{})
		r.streams[environmentID] = of
	}
	of[s] = struct{}{}
	r.count++
	r.wait.Add(1)
	return s
}

func (r *Realtime) unsubscribe(environmentID int64, s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.streams[environmentID], s)
	if len(r.streams[environmentID]) == 0 {
		delete(r.streams, environmentID)
	}
	r.count--
	r.wait.Done()
}

// streamHead opens the answer. It is chunked although the connection closes with it: Python's requests reads a body without
// chunks in pieces of 128 bytes, and would hold an event back until the next one fills the piece.
const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-store\r\n" +
	"Transfer-Encoding: chunked\r\nConnection: close\r\nX-Accel-Buffering: no\r\nAccess-Control-Allow-Origin: *\r\n\r\n"

// lastChunk ends the answer.
const lastChunk = "0\r\n\r\n"

// appendChunk appends text as one chunk, which clients hand on as soon as it is there.
func appendChunk(dst, text []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(text)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, text...)
	return append(dst, "\r\n"...)
}

// streamRefused is the whole answer to a stream that found no place after its connection was handed over.
const streamRefused = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n" +
	"Access-Control-Allow-Origin: *\r\n\r\n"

var keepAliveComment = []byte(": keep-alive\n\n")

// streamWriteTimeout bounds one write to a listener that does not read.
const streamWriteTimeout = 10 * time.Second

// run feeds one listener until it goes away or the hub closes.
func (r *Realtime) run(conn net.Conn, env *Environment, s *stream) {
	var buf []byte
	send := func(before string, text []byte, after string) bool {
		if conn.SetWriteDeadline(time.Now().Add(streamWriteTimeout)) != nil {
			return false
		}
		buf = appendChunk(append(buf[:0], before...), text)
		buf = append(buf, after...)
		_, err := conn.Write(buf)
		return err == nil
	}
	last := env.updatedAtEvent
	if !send(streamHead, last, "") {
		return
	}
	// Jitter keeps thousands of streams that were opened by one deploy from waking at once.
	first := r.cfg.KeepAlive/2 + rand.N(r.cfg.KeepAlive/2+1)
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-r.done:
			send("", fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(14_000)), lastChunk)
			return
		case event := <-s.next:
			if bytes.Equal(event, last) { // the load that the stream itself began tells of what it has sent already
				continue
			}
			if last = event; !send("", event, "") {
				return
			}
		case <-timer.C:
			if !send("", keepAliveComment, "") {
				return
			}
		}
		timer.Reset(r.cfg.KeepAlive)
	}
}

var (
	streamPrefix  = []byte("/sse/environments/")
	streamSuffix  = []byte("/stream")
	streamAnswers = plainEndpoint("Origin", "GET, OPTIONS")
)

// stream serves GET /sse/environments/{client key}/stream. The Go SDK comes back at once, without pause, after a 200 that
// ends: what cannot be streamed gets an error.
func (h *Handler) stream(ctx *fasthttp.RequestCtx) {
	if isPreflight(ctx) {
		preflightAnswer.Write(ctx)
		return
	}
	key, isStream := bytes.CutSuffix(bytes.TrimPrefix(ctx.Path(), streamPrefix), streamSuffix)
	switch {
	case !isStream || len(key) == 0 || len(key) > maxKeyChars || bytes.IndexByte(key, '/') >= 0:
		streamAnswers.fail(ctx, fasthttp.StatusNotFound, detail("Not found."))
		return
	case !ctx.IsGet():
		streamAnswers.fail(ctx, fasthttp.StatusMethodNotAllowed, detail("Method \""+string(ctx.Method())+"\" not allowed."))
		return
	}
	env := h.streamEnvironment(ctx, string(key))
	if env == nil {
		return
	}
	if h.cfg.Realtime.full() {
		streamAnswers.unavailable(ctx, "Too many streams.")
		return
	}
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(conn net.Conn) { h.listen(conn, env) })
}

// listen serves a stream on a connection of its own. Only here does it take its place in the hub: fasthttp drops the handler of
// a connection that breaks before it is handed over.
func (h *Handler) listen(conn net.Conn, env *Environment) {
	s := h.cfg.Realtime.subscribe(env.ID)
	if s == nil { // the last place went to another one, or the hub closed
		if conn.SetWriteDeadline(time.Now().Add(streamWriteTimeout)) == nil {
			_, _ = conn.Write([]byte(streamRefused)) // it is closed next, whatever comes of this
		}
		return
	}
	defer h.cfg.Realtime.unsubscribe(env.ID, s)
	// A change between the lookup and the subscription must not be missed: look again.
	if now, state := h.cfg.Environments.Peek(EnvironmentCacheID(env.ID)); state == cachetier.Hit {
		env = now
	}
	h.cfg.Realtime.run(conn, env, s)
}

// streamEnvironment finds the environment of a stream's path. The path holds the client-side key, also for server SDKs.
func (h *Handler) streamEnvironment(ctx *fasthttp.RequestCtx, text string) *Environment {
	key, err := get(h, h.cfg.Keys, text)
	var env *Environment
	if err == nil && !key.Server && key.usable(ctx.Time()) {
		env, err = get(h, h.cfg.Environments, key.environment)
	}
	switch {
	case err != nil && !isNotFound(err):
		h.degraded.report("open a stream", err)
		streamAnswers.unavailable(ctx, "The environment cannot be loaded at the moment.")
		return nil
	case env == nil:
		streamAnswers.fail(ctx, fasthttp.StatusNotFound, detail("Not found."))
		return nil
	case env.stopServing:
		streamAnswers.fail(ctx, fasthttp.StatusForbidden, disabledProblem)
		return nil
	}
	return env
}

// Fallback answers paths that nobody registered, and what could not be read, in the protocol's shape. An HTML page here would
// be parsed as flags by the browser SDK.
func Fallback(status int, text string) fasthttp.RequestHandler {
	answer := proxy.NewAnswer(status, fields(contentJSON, varyOther, ""), detail(text), false)
	return func(ctx *fasthttp.RequestCtx) {
		if isPreflight(ctx) {
			preflightAnswer.Write(ctx)
			return
		}
		answer.Write(ctx)
		finish(ctx)
	}
}
