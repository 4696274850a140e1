package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Config says how a Server listens. The zero values are good for production.
type Config struct {
	// Listen is the TCP address, such as ":8000". It is used when Run is given no listener.
	Listen string
	// Handler serves every request. Required.
	Handler fasthttp.RequestHandler

	// ReadTimeout bounds the reading of one request, so that a client that sends a byte a second is closed. Zero: 10 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds the writing of one answer. Zero: 30 s.
	WriteTimeout time.Duration
	// IdleTimeout closes a kept-alive connection on which nothing comes. It must exceed the interval at which SDKs poll (60 s)
	// and the idle timeout of the load balancer in front, or their pooled connections are reset. Zero: 120 s.
	IdleTimeout time.Duration
	// MaxBodyBytes is the largest request body that is read; a larger one is answered 413. Zero: 1 MiB.
	MaxBodyBytes int
	// MaxHeaderBytes is the largest request header. Zero: 16 KiB.
	MaxHeaderBytes int
	// MaxConnections bounds the open connections. Zero: 100,000.
	MaxConnections int

	// DrainDelay is how long Run goes on accepting after it was told to stop, for balancers to notice that readiness
	// fails. Zero: none.
	DrainDelay time.Duration
	// DrainTimeout is how long requests in flight may take after that. Zero: 10 s.
	DrainTimeout time.Duration
	// OnDrain is called when draining starts, before DrainDelay: the place to fail readiness. OnClose is called when the
	// listener is closed: the place to end streams. Both may be nil.
	OnDrain, OnClose func()

	// TooLarge, BadRequest and Panicked answer in the protocol's own shape what never reached the Handler or died in it: a
	// body beyond MaxBodyBytes; a request that cannot be read, or not in time; a panic. The status is set for them. Nil: a
	// bare status.
	TooLarge, BadRequest, Panicked fasthttp.RequestHandler

	Log *slog.Logger // nil: discard
}

// Server is the listener of a node.
type Server struct {
	cfg    Config
	http   *fasthttp.Server
	panics atomic.Int64
}

// writeBufferBytes holds a whole answer, so that it leaves in one system call: a 20 KB body goes out about twice as fast
// as through fasthttp's 4 KiB.
const writeBufferBytes = 64 << 10

// New checks the configuration and fills in defaults. It listens on nothing yet.
func New(cfg Config) (*Server, error) {
	if cfg.Handler == nil {
		return nil, errors.New("proxy: no handler")
	}
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		{&cfg.ReadTimeout, 10 * time.Second},
		{&cfg.WriteTimeout, 30 * time.Second},
		{&cfg.IdleTimeout, 120 * time.Second},
		{&cfg.DrainTimeout, 10 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.zero
		}
	}
	if cfg.MaxBodyBytes <= 0 {
		cfg.MaxBodyBytes = 1 << 20
	}
	if cfg.MaxHeaderBytes <= 0 {
		cfg.MaxHeaderBytes = 16 << 10
	}
	if cfg.MaxConnections <= 0 {
		cfg.MaxConnections = 100_000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg}
	s.http = &fasthttp.Server{
		Handler:               s.recovered,
		ErrorHandler:          s.rejected,
		ExpectHandler:         s.expected,
		ReadTimeout:           cfg.ReadTimeout,
		WriteTimeout:          cfg.WriteTimeout,
		IdleTimeout:           cfg.IdleTimeout,
		MaxRequestBodySize:    cfg.MaxBodyBytes,
		ReadBufferSize:        cfg.MaxHeaderBytes,
		WriteBufferSize:       writeBufferBytes,
		Concurrency:           cfg.MaxConnections,
		CloseOnShutdown:       true,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		Logger:                quietLogger{cfg.Log},
		// Form bodies are parsed by the few handlers that take them.
		DisablePreParseMultipartForm: true,
	}
	return s, nil
}

// Panics is the number of requests that died in a handler.
func (s *Server) Panics() int64 { return s.panics.Load() }

// Run listens and serves until ctx ends, then drains: readiness is failed, the listener stays open for DrainDelay, then
// closes, and requests in flight get DrainTimeout. It returns nil after a clean drain.
func (s *Server) Run(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.cfg.Listen, err)
	}
	return s.Serve(ctx, ln)
}

// Serve is Run on a listener that the caller opened. It closes it.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	served := make(chan error, 1)
	watched := &watchedListener{Listener: listenSilent(ln), accepting: make(chan struct{})}
	go func() { served <- s.http.Serve(watched) }()
	// A shutdown that overtakes the start would find nothing to shut down, and the server would run for ever.
	select {
	case <-watched.accepting:
	case err := <-served:
		return ended(err)
	}
	s.cfg.Log.Info("listening", "address", ln.Addr().String())
	select {
	case err := <-served:
		return ended(err)
	case <-ctx.Done():
	}
	s.cfg.Log.Info("draining", "delay", s.cfg.DrainDelay, "timeout", s.cfg.DrainTimeout)
	if s.cfg.OnDrain != nil {
		s.cfg.OnDrain()
	}
	if s.cfg.DrainDelay > 0 {
		timer := time.NewTimer(s.cfg.DrainDelay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case err := <-served:
			return ended(err)
		}
	}
	if s.cfg.OnClose != nil {
		s.cfg.OnClose()
	}
	// The drain must outlive ctx, which has ended already.
	drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	if err := s.http.ShutdownWithContext(drainCtx); err != nil {
		return fmt.Errorf("drain: %d connections were still open: %w", s.http.GetCurrentConcurrency(), err)
	}
	return <-served
}

// ended is the error of a server that nobody told to stop.
func ended(err error) error {
	if err == nil { // fasthttp takes a closed listener for an order
		err = errors.New("listener closed")
	}
	return fmt.Errorf("serve: %w", err)
}

// recovered keeps the process alive when a handler panics: fasthttp does not.
func (s *Server) recovered(ctx *fasthttp.RequestCtx) {
	defer func() {
		if p := recover(); p != nil {
			s.panics.Add(1)
			s.cfg.Log.Error("handler panicked", "path", string(ctx.Path()), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ctx.Response.Reset()
			answerOr(ctx, s.cfg.Panicked, fasthttp.StatusInternalServerError)
		}
	}()
	s.cfg.Handler(ctx)
}

// rejected answers a request that could not be read.
func (s *Server) rejected(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		s.tooLarge(ctx)
	case errors.As(err, &small):
		answerOr(ctx, s.cfg.BadRequest, fasthttp.StatusRequestHeaderFieldsTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		answerOr(ctx, s.cfg.BadRequest, fasthttp.StatusRequestTimeout)
	default:
		answerOr(ctx, s.cfg.BadRequest, fasthttp.StatusBadRequest)
	}
}

// expected answers `Expect: 100-continue`: a body whose length is known to be too much need not be sent at all.
func (s *Server) expected(ctx *fasthttp.RequestCtx) int {
	if ctx.Request.Header.ContentLength() <= s.cfg.MaxBodyBytes {
		return fasthttp.StatusContinue
	}
	s.tooLarge(ctx)
	return fasthttp.StatusRequestEntityTooLarge
}

func (s *Server) tooLarge(ctx *fasthttp.RequestCtx) {
	discardBody(ctx.Conn(), ctx.Request.Header.ContentLength())
	answerOr(ctx, s.cfg.TooLarge, fasthttp.StatusRequestEntityTooLarge)
}

// answerOr answers with the given status, in the shape of answer if there is one.
func answerOr(ctx *fasthttp.RequestCtx, answer fasthttp.RequestHandler, status int) {
	if answer != nil {
		answer(ctx)
	}
	ctx.SetStatusCode(status)
}

// discardBody reads what the client is still sending of a body that is too large, within bounds. Closing a socket with
// unread data resets the connection, and the client would see the reset instead of the 413.
func discardBody(conn net.Conn, length int) {
	const maxDiscard, patience, silence = 32 << 20, 5 * time.Second, 250 * time.Millisecond
	// Of a chunked body the length is unknown; fasthttp says 0 once it has given up on one.
	if length <= 0 || length > maxDiscard {
		length = maxDiscard
	}
	buf := make([]byte, 32<<10)
	for deadline := time.Now().Add(patience); length > 0 && time.Now().Before(deadline); {
		// What fasthttp had buffered already is not seen here, so the end is known by silence, not by the length.
		if conn.SetReadDeadline(time.Now().Add(silence)) != nil {
			return
		}
		n, err := conn.Read(buf)
		length -= n
		if err != nil {
			return
		}
	}
}

// quietLogger passes on what fasthttp reports about broken connections at debug level: a client that goes away is not an
// event of the server.
type quietLogger struct{ log *slog.Logger }

func (l quietLogger) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("connection error", "err", fmt.Sprintf(format, args...))
	}
}

// MediaType returns the request's content type without parameters, trimmed, as it was sent.
func MediaType(ctx *fasthttp.RequestCtx) []byte {
	ct := ctx.Request.Header.ContentType()
	if i := bytes.IndexByte(ct, ';'); i >= 0 {
		ct = ct[:i]
	}
	return bytes.TrimSpace(ct)
}
