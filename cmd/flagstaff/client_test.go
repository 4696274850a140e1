package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// request is what a test asks a server.
type request struct {
	method, path, key, body string
	header                  map[string]string
}

// client talks to one server.
type client struct {
	t    testing.TB
	base string
	http http.Client
}

// newClient returns a client that keeps up to conns connections. It takes what is sent as it is: no redirects, no unpacking.
func newClient(t testing.TB, address string, conns int) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: conns, DisableCompression: true, DisableKeepAlives: conns == 0}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, base: "http://" + address, http: http.Client{Transport: transport, Timeout: patience}}
}

// client returns a client without kept-alive connections, so that none outlives the request it was made for.
func (n *node) client() *client { return newClient(n.t, n.address, 0) }

// try sends a request and reads the whole answer. It may be called from any goroutine.
func (c *client) try(r request) (answer, error) {
	req, err := http.NewRequest(r.method, c.base+r.path, strings.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	if r.key != "" {
		req.Header.Set("X-Environment-Key", r.key)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read body: %w", err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}, nil
}

// do is try for a request that must be answered.
func (c *client) do(r request) answer {
	c.t.Helper()
	a, err := c.try(r)
	require.NoError(c.t, err)
	return a
}

func (c *client) get(path, key string) answer {
	c.t.Helper()
	return c.do(request{method: http.MethodGet, path: path, key: key})
}

func (c *client) post(path, key, body string) answer {
	c.t.Helper()
	return c.do(request{method: http.MethodPost, path: path, key: key, body: body})
}

// ok returns the body of an answer that must be 200.
func (a answer) ok(t testing.TB) string {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	return a.body
}

// flagView is a flag as answers show it.
type flagView struct {
	ID      int64
	Feature struct {
		ID   int64
		Name string
	}
	Enabled bool
	Value   any `json:"feature_state_value"` // numbers are json.Number
	Variant *string
}

type traitView struct {
	Key   string          `json:"trait_key"`
	Value json.RawMessage `json:"trait_value"`
}

type identityView struct {
	Identifier string
	Traits     []traitView
	Flags      []flagView
}

// trait returns the JSON of a trait, "" if there is none.
func (id identityView) trait(key string) string {
	for _, tr := range id.Traits {
		if tr.Key == key {
			return string(tr.Value)
		}
	}
	return ""
}

// flagNamed finds a flag.
func flagNamed(t testing.TB, flags []flagView, name string) flagView {
	t.Helper()
	for _, f := range flags {
		if f.Feature.Name == name {
			return f
		}
	}
	require.FailNow(t, "no flag "+name)
	return flagView{}
}

// decoded reads JSON.
func decoded[T any](t testing.TB, text string) (v T) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&v), text)
	return v
}

// encoded writes JSON.
func encoded(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// identity asks for an identity with its traits and flags.
func (c *client) identity(key, identifier string) identityView {
	c.t.Helper()
	return decoded[identityView](c.t, c.get("/api/v1/identities/?identifier="+identifier, key).ok(c.t))
}

// flags asks for all flags.
func (c *client) flags(key string) []flagView {
	c.t.Helper()
	return decoded[[]flagView](c.t, c.get("/api/v1/flags/", key).ok(c.t))
}

// stream is a client of the realtime stream.
type stream struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended bool
}

// listenTo opens the realtime stream of an environment and returns once its first event is here.
func (n *node) listenTo(clientKey string) *stream {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.address)
	require.NoError(n.t, err)
	_, err = fmt.Fprintf(conn, "GET /sse/environments/%s/stream HTTP/1.1\r\nHost: flags\r\nAccept: text/event-stream\r\n\r\n", clientKey)
	require.NoError(n.t, err)
	s := &stream{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.read(conn)
	}()
	n.t.Cleanup(func() {
		_ = conn.Close() // the server may have closed it
		<-done
	})
	eventually(n.t, "the stream begins", func() bool { return s.updatedAt() > 0 || s.hasEnded() })
	require.Contains(n.t, s.String(), "HTTP/1.1 200 OK")
	return s
}

func (s *stream) read(conn net.Conn) {
	for reader := bufio.NewReader(conn); ; {
		line, err := reader.ReadString('\n')
		s.mu.Lock()
		s.text.WriteString(line)
		s.ended = err != nil
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var updatedAtEvent = regexp.MustCompile(`event: environment_updated\ndata: \{"updated_at": (\d+\.\d+)\}\n\n`)

// updatedAt is what the newest event tells, 0 if none came. The first one tells how things stand.
func (s *stream) updatedAt() float64 {
	all := updatedAtEvent.FindAllStringSubmatch(s.String(), -1)
	if len(all) == 0 {
		return 0
	}
	at, _ := strconv.ParseFloat(all[len(all)-1][1], 64) // digits
	return at
}

func (s *stream) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// refuses tells whether nothing listens on an address any more.
func refuses(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return true
	}
	_ = conn.Close()
	return false
}
