package flagsmith_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A body that is too large is answered, in JSON, on a connection that is then closed in order. A client that still sends when the
// server closes would see a reset instead; only the kernel's sockets do that, so these tests use them.

const tenMiB = 10 << 20

// repeated is a body of n bytes that is not there before it is sent.
func repeated(n int64) io.Reader { return io.LimitReader(spaces{}, n) }

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestTooLargeBodyIsAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(), onTCP)
	for _, row := range []struct {
		name, method, path string
		length             int64 // -1: chunked
		expect             bool
	}{
		{name: "with a length", method: "POST", path: "/api/v1/identities/", length: tenMiB},
		{name: "chunked", method: "POST", path: "/api/v1/identities/", length: -1},
		{name: "after asking whether to continue", method: "POST", path: "/api/v1/identities/", length: tenMiB, expect: true},
		{name: "chunked, after asking", method: "PUT", path: "/api/v1/traits/bulk/", length: -1, expect: true},
		{name: "one byte too many", method: "POST", path: "/api/v1/analytics/flags/", length: maxBodyBytes + 1},
		{name: "on a path that takes no body", method: "GET", path: "/api/v1/flags/", length: tenMiB},
	} {
		t.Run(row.name, func(t *testing.T) {
			size := row.length
			if size < 0 {
				size = tenMiB
			}
			body := &counting{Reader: repeated(size)}
			req := r.request(row.method, row.path, "", func(req *http.Request) {
				req.Body, req.ContentLength = io.NopCloser(body), row.length
			}, withHeader("Content-Type", "application/json"))
			if row.expect {
				req.Header.Set("Expect", "100-continue")
			}
			a, err := do(r.client, req)
			require.NoError(t, err)
			require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
			require.Equal(t, fmt.Sprintf(`{"detail":"Request body is larger than %d bytes."}`, maxBodyBytes), a.body)
			require.Equal(t, "application/json", a.header.Get("Content-Type"))
			if row.expect && row.length > 0 {
				require.Zero(t, body.n, "the client should have been told before it sent")
			}
		})
	}
	require.Equal(t, http.StatusOK, r.get("/api/v1/flags/").status, "the server goes on")
}

type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestTooLargeBodyGolden(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	body := strings.Repeat(" ", tenMiB)
	requireGolden(t, r, "too-large.txt", []exchange{
		{"10 MiB", "POST", "/api/v1/identities/", body, nil},
		{"10 MiB without a key", "POST", "/api/v1/identities/", body, []sending{without("X-Environment-Key")}},
		{"10 MiB to an unknown path", "POST", "/nope", body, nil},
		{"10 MiB from a browser", "POST", "/api/v1/identities/", body, []sending{withHeader("Origin", "https://shop.test")}},
	})
}

func TestLargestBodyIsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	trait := `{"identifier":"bob","traits":[{"trait_key":"plan","trait_value":"free"}]}`
	a := r.post("/api/v1/identities/", trait+strings.Repeat(" ", maxBodyBytes-len(trait)))
	require.Contains(t, a.body, `"trait_key":"plan"`)
}

// The client sends a whole large body before it reads anything, as simple clients do, and must still find the answer.
func TestClientThatOnlyReadsAfterSendingSeesTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(), onTCP)
	conn, err := r.dial()
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(conn, "POST /api/v1/identities/ HTTP/1.1\r\nHost: flags.test\r\nX-Environment-Key: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", clientKey, tenMiB)
	require.NoError(t, err)
	_, err = io.Copy(conn, repeated(tenMiB))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	var text bytes.Buffer
	_, err = text.ReadFrom(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	require.True(t, resp.Close, "what is left of the body must not be read as the next request")
	require.Contains(t, text.String(), "larger than")
}

func TestUnreadableRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	for _, row := range []struct{ name, request, status string }{
		{"not HTTP", "hello\r\n\r\n", "400 Bad Request"},
		{"no colon in a field", "GET /api/v1/flags/ HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", "400 Bad Request"},
		{"length that is no number", "POST /api/v1/identities/ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400 Bad Request"},
		{"broken chunk", "POST /api/v1/identities/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"},
		{"header that is too large", "GET /api/v1/flags/ HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", "431 Request Header Fields Too Large"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer := r.raw(row.request)
			require.True(t, strings.HasPrefix(answer, "HTTP/1.1 "+row.status+"\r\n"), "%.200s", answer)
			require.Contains(t, answer, "Connection: close")
			_, body, _ := strings.Cut(answer, "\r\n\r\n")
			require.Equal(t, `{"detail":"The request could not be read."}`, body)
		})
	}
	require.Equal(t, http.StatusOK, r.get("/api/v1/flags/").status)
}
