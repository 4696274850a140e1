package flagsmith_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	engine "github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

const streamPath = "/sse/environments/" + clientKey + "/stream"

// listener is a client of the event stream.
type listener struct {
	t    testing.TB
	resp *http.Response
	text *bufio.Reader
}

// listenTo opens a stream, as SDKs do: without a key.
func (r *rig) listenTo(path string) *listener {
	r.t.Helper()
	resp, err := r.client.Do(r.request("GET", path, "", without("X-Environment-Key"), withHeader("Accept", "text/event-stream")))
	require.NoError(r.t, err)
	l := &listener{r.t, resp, bufio.NewReader(resp.Body)}
	r.t.Cleanup(func() { require.NoError(r.t, resp.Body.Close()) })
	return l
}

// next reads one block of the stream, up to its blank line.
func (l *listener) next() string {
	l.t.Helper()
	var block strings.Builder
	for {
		line, err := l.text.ReadString('\n')
		require.NoError(l.t, err)
		block.WriteString(line)
		if line == "\n" {
			return block.String()
		}
	}
}

// changed is the shop, changed at a time of its own.
func changed(second int, edit ...func(*engine.Document)) *engine.Document {
	return shop(append(edit, func(d *engine.Document) { d.UpdatedAt = time.Unix(int64(second), 500_000_000).UTC() })...)
}

func TestStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn))
	l := r.listenTo(streamPath)
	require.Equal(t, http.StatusOK, l.resp.StatusCode)
	require.Equal(t, http.Header{
		"Content-Type": {"text/event-stream"}, "Cache-Control": {"no-cache, no-store"}, "X-Accel-Buffering": {"no"},
		"Access-Control-Allow-Origin": {"*"},
	}, l.resp.Header)
	require.True(t, l.resp.Close, "the end of the connection is the end of the stream")
	require.Equal(t, "event: environment_updated\ndata: {\"updated_at\": 1772359200.123456}\n\n", l.next(), "the current state at once")
	r.publish(changed(1772359300, realtimeOn))
	require.Equal(t, "event: environment_updated\ndata: {\"updated_at\": 1772359300.5}\n\n", l.next())
	r.publish(changed(1772359400, realtimeOn))
	require.Equal(t, "event: environment_updated\ndata: {\"updated_at\": 1772359400.5}\n\n", l.next())
	require.Equal(t, 1, r.realtime.Streams())
}

// TestStreamAsSDKsReadIt: the Go SDK wants lines that begin with "data: " and hold one object; the JavaScript SDK the event's
// name; the Python SDK the key updated_at in every event's data (spec 2.15, 5.4).
func TestStreamAsSDKsReadIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn), func(o *options) { o.realtime.KeepAlive = time.Millisecond })
	l := r.listenTo(streamPath)
	comments := 0
	for comments < 3 {
		block := l.next()
		var name, data string
		for line := range strings.Lines(block) {
			switch line = strings.TrimSuffix(line, "\n"); {
			case strings.HasPrefix(line, "data: "):
				data += line[len("data: "):]
			case strings.HasPrefix(line, "event: "):
				name = line[len("event: "):]
			case strings.HasPrefix(line, ":"):
				comments++
			default:
				require.Empty(t, line)
			}
		}
		if data == "" {
			require.Empty(t, name, "an event without data would be dispatched by some")
			continue
		}
		require.Equal(t, "environment_updated", name)
		var event struct {
			UpdatedAt float64 `json:"updated_at"`
		}
		require.NoError(t, json.Unmarshal([]byte(data), &event))
		require.InDelta(t, float64(shopUpdated.UnixMicro())/1e6, event.UpdatedAt, 1e-6, "the unit of X-Flagsmith-Document-Updated-At")
	}
}

func TestStreamTellsNothingOfAProjectWithoutRealtime(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	l := r.listenTo(streamPath)
	require.Contains(t, l.next(), "1772359200.123456")
	r.publish(changed(1772359300))             // not told
	r.publish(changed(1772359400, realtimeOn)) // told
	require.Contains(t, l.next(), "1772359400.5")
}

func TestStreamTellsNothingOfOtherEnvironments(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn))
	other := func(second int) *engine.Document {
		return changed(second, realtimeOn, func(d *engine.Document) { d.ID, d.APIKey = 13, "otherkey" })
	}
	r.addEnvironment(other(1772350000), "otherkey")
	mine, theirs := r.listenTo(streamPath), r.listenTo("/sse/environments/otherkey/stream")
	mine.next()
	require.Contains(t, theirs.next(), "1772350000.5")
	r.publish(other(1772350001))
	require.Contains(t, theirs.next(), "1772350001.5")
	r.publish(changed(1772359300, realtimeOn))
	require.Contains(t, mine.next(), "1772359300.5")
}

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn), func(o *options) { o.realtime = flagsmith.RealtimeConfig{MaxStreams: 2, KeepAlive: time.Millisecond} })
	first := r.listenTo(streamPath)
	first.next()
	r.listenTo(streamPath).next()
	unavailable(t, r.send("GET", streamPath, ""), `{"detail":"Too many streams."}`)
	require.NoError(t, first.resp.Body.Close())
	require.Eventually(t, func() bool { return r.realtime.Streams() == 1 }, 5*time.Second, time.Millisecond, "a client that went away is noticed")
	r.listenTo(streamPath).next()
}

func TestStreamsEndWithAdvice(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn))
	l := r.listenTo(streamPath)
	l.next()
	r.realtime.Close()
	require.Regexp(t, `^retry: [0-9]{4,5}\n\n$`, l.next())
	_, err := l.text.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, r.realtime.Streams())
	// The Go SDK comes back at once after a 200 that ends: now it gets an error.
	unavailable(t, r.send("GET", streamPath, ""), `{"detail":"Too many streams."}`)
	r.realtime.Close() // twice is fine
}

func TestDrainEndsStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn))
	l := r.listenTo(streamPath)
	l.next()
	require.NoError(t, r.stop())
	require.Contains(t, l.next(), "retry: ")
}

// Publish never waits for a client that does not read; the client finds the newest state when it does.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn), func(o *options) { o.realtime.KeepAlive = time.Hour })
	l := r.listenTo(streamPath)
	l.next()
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for second := 1; second <= 500; second++ {
			r.realtime.Publish(flagsmith.NewEnvironment(changed(second, realtimeOn)))
		}
	})
	publishing.Wait()
	for !strings.Contains(l.next(), " 500.5}") {
	}
}

// A change that comes while a stream is being opened is in its first event, or in one behind it.
func TestChangeWhileAStreamOpens(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn))
	for second := 1; second <= 50; second++ {
		id := flagsmith.EnvironmentCacheID(shopID)
		entry := r.documents.Set(id, encode(t, changed(second, realtimeOn)))
		var err error
		var publishing sync.WaitGroup
		publishing.Go(func() { _, err = r.environments.Put(id, entry) })
		l := r.listenTo(streamPath)
		publishing.Wait()
		require.NoError(t, err)
		want := fmt.Sprintf(" %d.5}", second)
		for !strings.Contains(l.next(), want) {
		}
		require.NoError(t, l.resp.Body.Close())
	}
}

// brokenConn reads what it is given and breaks at the first write.
type brokenConn struct {
	net.Conn
	in     *bytes.Reader
	closed atomic.Bool
}

func (c *brokenConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *brokenConn) Write([]byte) (int, error)        { return 0, errors.New("broken") }
func (c *brokenConn) Close() error                     { c.closed.Store(true); return nil }
func (c *brokenConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *brokenConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *brokenConn) SetDeadline(time.Time) error      { return nil }
func (c *brokenConn) SetReadDeadline(time.Time) error  { return nil }
func (c *brokenConn) SetWriteDeadline(time.Time) error { return nil }

// A connection can break between the request for a stream and its handover: here, while the answer to the request before it is
// flushed. The place in the hub must not be lost, or Close would wait for ever.
func TestStreamThatBreaksBeforeItBegins(t *testing.T) {
	t.Parallel()
	r := newHandlerRig(t, shop(realtimeOn), func(o *options) { o.realtime.MaxStreams = 1 })
	request := "GET /health/liveness HTTP/1.1\r\nHost: a\r\n\r\nGET " + streamPath + " HTTP/1.1\r\nHost: a\r\n\r\n"
	conn := &brokenConn{in: bytes.NewReader([]byte(request))}
	require.Error(t, (&fasthttp.Server{Handler: r.router.Handle}).ServeConn(conn))
	require.Zero(t, r.realtime.Streams())
	r.realtime.Close()
}

// The place that a request saw can be gone when its connection is handed over.
func TestStreamThatFindsNoPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(realtimeOn), func(o *options) { o.realtime.MaxStreams = 8 })
	var refused, opened atomic.Int32
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			resp, err := r.client.Do(r.request("GET", streamPath, ""))
			if err != nil {
				t.Error(err)
				return
			}
			switch resp.StatusCode {
			case http.StatusOK:
				opened.Add(1)
				_, err = bufio.NewReader(resp.Body).WriteTo(io.Discard) // until the hub closes
			case http.StatusServiceUnavailable:
				if resp.Header.Get("Retry-After") != "1" {
					t.Error("no Retry-After")
				}
				if refused.Add(1) == 24 {
					go r.realtime.Close()
				}
			default:
				t.Errorf("status %d", resp.StatusCode)
			}
			if err = errors.Join(err, resp.Body.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	require.EqualValues(t, 8, opened.Load())
	require.EqualValues(t, 24, refused.Load())
	r.realtime.Close()
}
