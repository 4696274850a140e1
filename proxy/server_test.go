package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/flagstaff-io/flagstaff/proxy"
)

// running is a server on an in-memory listener. It also works inside of synctest.
type running struct {
	t      *testing.T
	server *proxy.Server
	ln     *fasthttputil.InmemoryListener
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, cfg proxy.Config) *running {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = testLog(t)
	}
	server, err := proxy.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, server: server, ln: fasthttputil.NewInmemoryListener(), cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- server.Serve(ctx, r.ln) }()
	return r
}

// stop drains and returns what Serve says.
func (r *running) stop() error {
	r.cancel()
	return <-r.done
}

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(time.Minute) // fasthttp's cleaner of workers wakes up and sees that it is done
	})
}

// client is one connection to the server.
type client struct {
	t *testing.T
	net.Conn
	text *bufio.Reader
}

func (r *running) dial() *client {
	r.t.Helper()
	conn, err := r.ln.Dial()
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
	return &client{r.t, conn, bufio.NewReader(conn)}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	_, err := fmt.Fprintf(c, format, args...)
	require.NoError(c.t, err)
}

// read returns the next answer's status and body, and whether it closes the connection.
func (c *client) read() (status int, body string, closes bool) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.text, nil)
	require.NoError(c.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, resp.Body.Close())
	return resp.StatusCode, string(text), resp.Close
}

func (c *client) get(path string) (status int, body string, closes bool) {
	c.t.Helper()
	c.send("GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
	return c.read()
}

// closed waits until the server closes the connection.
func (c *client) closed() {
	c.t.Helper()
	_, err := c.text.ReadByte()
	require.ErrorIs(c.t, err, io.EOF)
}

func hello(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("hello") }

func TestServerNeedsAHandler(t *testing.T) {
	_, err := proxy.New(proxy.Config{})
	require.ErrorContains(t, err, "no handler")
}

func TestServerKeepsConnections(t *testing.T) {
	r := start(t, proxy.Config{Handler: hello})
	c := r.dial()
	for range 3 {
		status, body, closes := c.get("/")
		require.Equal(t, 200, status)
		require.Equal(t, "hello", body)
		require.False(t, closes)
	}
	require.NoError(t, r.stop())
}

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	handler := func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set("X-Half-Done", "1")
		ctx.SetBodyString("half done")
		if string(ctx.Path()) == "/panic" {
			panic(errors.New("boom"))
		}
	}
	for name, row := range map[string]struct {
		panicked fasthttp.RequestHandler
		body     string
	}{
		"bare":     {nil, ""},
		"answered": {func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("sorry") }, "sorry"},
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			r := start(t, proxy.Config{Handler: handler, Panicked: row.panicked, Log: slog.New(slog.NewTextHandler(&log, nil))})
			c := r.dial()
			for n := int64(1); n <= 2; n++ {
				status, body, closes := c.get("/panic")
				require.Equal(t, 500, status)
				require.Equal(t, row.body, body, "nothing of what was half done")
				require.False(t, closes)
				require.Equal(t, n, r.server.Panics())
			}
			status, _, _ := c.get("/")
			require.Equal(t, 200, status, "the process lives")
			require.NoError(t, r.stop())
			require.Contains(t, log.String(), "boom")
			require.Contains(t, log.String(), "path=/panic")
			require.Contains(t, log.String(), "server_test.go", "where it happened")
		})
	}
}

// TestSlowRequests: a client that sends a byte now and then is closed when the time for one request is over.
func TestSlowRequests(t *testing.T) {
	for name, request := range map[string]string{
		"header": "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + strings.Repeat("x", 100),
		"body":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 100),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bad := func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("too slow") }
				r := start(t, proxy.Config{Handler: hello, BadRequest: bad, ReadTimeout: 10 * time.Second})
				c := r.dial()
				began := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					for i := range len(request) {
						if _, err := io.WriteString(c, request[i:i+1]); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				status, body, closes := c.read()
				require.Equal(t, 408, status)
				require.Equal(t, "too slow", body)
				require.True(t, closes)
				c.closed()
				require.Equal(t, 10*time.Second, time.Since(began))
				require.NoError(t, c.Close())
				sending.Wait()
				require.NoError(t, r.stop())
			})
		})
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := start(t, proxy.Config{Handler: hello})
		c := r.dial()
		for range 3 { // SDKs poll once a minute: their connection must last
			status, _, _ := c.get("/")
			require.Equal(t, 200, status)
			time.Sleep(time.Minute)
		}
		c.get("/")
		began := time.Now()
		c.closed()
		require.Equal(t, 2*time.Minute, time.Since(began))
		require.NoError(t, r.stop())
	})
}

// TestDrain follows a stop by the clock: readiness fails at once, new clients are served while the balancer notices, then the
// listener and idle connections close, and what is in flight finishes.
func TestDrain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var events []string
		event := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, fmt.Sprintf("%s at %v", name, time.Since(began)))
		}
		r := start(t, proxy.Config{
			Handler: func(ctx *fasthttp.RequestCtx) {
				if string(ctx.Path()) == "/slow" {
					time.Sleep(8 * time.Second)
				}
				hello(ctx)
			},
			DrainDelay: 5 * time.Second,
			OnDrain:    func() { event("drain") },
			OnClose:    func() { event("close") },
		})
		idle, inFlight := r.dial(), r.dial()
		idle.get("/")
		inFlight.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(time.Second)
		began = time.Now()
		r.cancel()

		time.Sleep(4 * time.Second) // within the delay
		late := r.dial()
		status, _, closes := late.get("/")
		require.Equal(t, 200, status)
		require.False(t, closes)
		idle.get("/")

		idle.closed()
		late.closed()
		require.Less(t, time.Since(began), 6*time.Second)
		_, err := r.ln.Dial()
		require.Error(t, err, "the listener is closed")

		status, body, closes := inFlight.read()
		require.Equal(t, 200, status)
		require.Equal(t, "hello", body)
		require.True(t, closes, "the client is told to go elsewhere")
		require.Equal(t, 7*time.Second, time.Since(began))
		require.NoError(t, <-r.done)
		require.Less(t, time.Since(began), 8*time.Second)
		require.Equal(t, []string{"drain at 0s", "close at 5s"}, events)
	})
}

// TestDrainClosesSilentConnections: balancers open connections in advance. Nothing is in flight on those.
func TestDrainClosesSilentConnections(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := start(t, proxy.Config{Handler: hello})
		silent := r.dial()
		time.Sleep(time.Second) // accepted, and well within ReadTimeout
		began := time.Now()
		require.NoError(t, r.stop())
		require.Less(t, time.Since(began), time.Second)
		silent.closed()
	})
}

// A connection on which nothing came does not hold up a drain; one that has begun to ask does.
func TestDrainWaitsForARequestThatHasBegun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := start(t, proxy.Config{Handler: hello})
		silent, asking := r.dial(), r.dial()
		asking.send("GET / HTTP/1.1\r\n")
		time.Sleep(time.Second)
		began := time.Now()
		r.cancel()
		silent.closed()
		require.Zero(t, time.Since(began))
		time.Sleep(2 * time.Second)
		asking.send("Host: a\r\n\r\n")
		status, _, closes := asking.read()
		require.Equal(t, 200, status)
		require.True(t, closes)
		require.NoError(t, <-r.done)
		require.Less(t, time.Since(began), 3*time.Second)
	})
}

func TestDrainThatTakesTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		release := make(chan struct{})
		r := start(t, proxy.Config{
			Handler:      func(ctx *fasthttp.RequestCtx) { <-release; hello(ctx) },
			DrainTimeout: 3 * time.Second,
		})
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(time.Second)
		began := time.Now()
		err := r.stop()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 connections were still open")
		require.Equal(t, 3*time.Second, time.Since(began))
		close(release)
		c.read()
		require.NoError(t, c.Close())
	})
}

func TestListenerThatFails(t *testing.T) {
	r := start(t, proxy.Config{Handler: hello})
	require.NoError(t, r.ln.Close())
	require.ErrorContains(t, <-r.done, "serve: ")
	r.cancel()

	inBubble(t, func(t *testing.T) {
		r := start(t, proxy.Config{Handler: hello, DrainDelay: time.Minute})
		r.cancel()
		time.Sleep(time.Second)
		require.NoError(t, r.ln.Close())
		require.ErrorContains(t, <-r.done, "serve: ", "also while the balancer is waited for")
	})
}

func TestRun(t *testing.T) {
	server, err := proxy.New(proxy.Config{Handler: hello, Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	require.NoError(t, server.Run(ctx))

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	server, err = proxy.New(proxy.Config{Handler: hello, Listen: taken.Addr().String()})
	require.NoError(t, err)
	require.ErrorContains(t, server.Run(t.Context()), "listen on "+taken.Addr().String())
}

// A stop can come before the server has begun to accept.
func TestStopAtTheStart(t *testing.T) {
	for range 5 {
		r := start(t, proxy.Config{Handler: hello})
		require.NoError(t, r.stop())
	}
}

func TestTooManyConnections(t *testing.T) {
	r := start(t, proxy.Config{Handler: hello, MaxConnections: 1})
	first := r.dial()
	first.get("/")
	status, _, _ := r.dial().read() // it is not even asked what it wants
	require.Equal(t, 503, status)
	status, _, _ = first.get("/")
	require.Equal(t, 200, status)
	require.NoError(t, r.stop())
}

func TestBodyLimit(t *testing.T) {
	r := start(t, proxy.Config{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBody(ctx.Request.Body()) }, MaxBodyBytes: 10})
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789")
	status, body, _ := c.read()
	require.Equal(t, 200, status)
	require.Equal(t, "0123456789", body)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n0123456789x")
	status, _, closes := c.read()
	require.Equal(t, 413, status)
	require.True(t, closes)

	c = r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	line, err := c.text.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = c.text.ReadString('\n')
	require.NoError(t, err)
	c.send("0123456789")
	status, body, _ = c.read()
	require.Equal(t, 200, status)
	require.Equal(t, "0123456789", body)

	c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
	status, _, closes = c.read()
	require.Equal(t, 413, status, "before the body is sent")
	require.True(t, closes)
	require.NoError(t, r.stop())
}

func TestMediaType(t *testing.T) {
	for field, want := range map[string]string{
		"": "", "application/json": "application/json", "application/json; charset=utf-8": "application/json",
		" Text/Plain ;x": "Text/Plain", ";": "",
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetContentType(field)
		require.Equal(t, want, string(proxy.MediaType(&ctx)), field)
	}
}

// TestBrokenConnectionsAreQuiet: a client that goes away is no event of the server.
func TestBrokenConnectionsAreQuiet(t *testing.T) {
	var log bytes.Buffer
	r := start(t, proxy.Config{Handler: hello, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	for range 3 {
		c := r.dial()
		c.send("GET / HT")
		require.NoError(t, c.Close())
	}
	require.NoError(t, r.stop())
	for line := range strings.Lines(log.String()) {
		require.Contains(t, line, "level=INFO")
	}
}
