package bench

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serve answers every request with what answer makes of it, in the pieces that it returns.
func serve(t *testing.T, answer func(r *http.Request) []string) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewReader(c); ; {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					body := make([]byte, r.ContentLength)
					if _, err := r.Body.Read(body); err != nil && len(body) > 0 && err.Error() != "EOF" {
						return
					}
					pieces := answer(r)
					if pieces == nil {
						return
					}
					for _, piece := range pieces {
						if _, err := c.Write([]byte(piece)); err != nil {
							return
						}
						if len(pieces) > 1 {
							time.Sleep(time.Millisecond) // so that they arrive apart
						}
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func ok(body string) []string {
	return []string{fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)}
}

func TestRoundTrip(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 3*initialBuffer/16)
	for _, row := range []struct {
		name       string
		pieces     []string
		wantStatus int
		wantBody   string
		wantErr    string
	}{
		{name: "one piece", pieces: ok("hello"), wantStatus: 200, wantBody: "hello"},
		{name: "empty body", pieces: ok(""), wantStatus: 200},
		{name: "head in two pieces", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhello"}, wantStatus: 200, wantBody: "hello"},
		{name: "body in two pieces", pieces: []string{"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhel", "lo"}, wantStatus: 404, wantBody: "hello"},
		{name: "larger than the buffer", pieces: ok(large), wantStatus: 200, wantBody: large},
		{name: "304 has no body", pieces: []string{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"}, wantStatus: 304},
		{name: "field names ignore case", pieces: []string{"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"}, wantStatus: 200, wantBody: "ok"},
		{name: "chunks are refused", pieces: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, wantErr: "without Content-Length"},
		{name: "more than announced", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\noken"}, wantErr: "2 bytes more"},
		{name: "length is no number", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok"}, wantErr: "bad Content-Length"},
		{name: "another protocol", pieces: []string{"SSH-2.0-OpenSSH_9.6\r\n\r\n"}, wantErr: "not an HTTP/1 answer"},
		{name: "no answer", pieces: nil, wantErr: "EOF"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := dialBounded(t.Context(), serve(t, func(*http.Request) []string { return row.pieces }))
			require.NoError(t, err)
			defer c.Close()
			for range 2 { // the second one reuses the buffer
				r, err := c.roundTrip(FormatRequest("GET", "/", nil, nil))
				if row.wantErr != "" {
					require.ErrorContains(t, err, row.wantErr)
					return
				}
				require.NoError(t, err)
				require.Equal(t, row.wantStatus, r.status)
				require.Equal(t, row.wantBody, string(r.body))
				require.True(t, strings.HasSuffix(string(r.head), "\r\n\r\n"))
			}
		})
	}
}

func TestFormatRequestIsReadAsItWasMeant(t *testing.T) {
	seen := make(chan *http.Request, 1)
	address := serve(t, func(r *http.Request) []string { seen <- r; return ok("") })
	fields := []Field{{"Host", "flags.example.com"}, {"X-Environment-Key", "k"}}
	_, err := Fetch(t.Context(), address, FormatRequest("POST", "/a/?b=c", fields, []byte(`{"d":1}`)))
	require.NoError(t, err)
	r := <-seen
	require.Equal(t, "POST /a/?b=c flags.example.com k 7",
		fmt.Sprint(r.Method, " ", r.URL, " ", r.Host, " ", r.Header.Get("X-Environment-Key"), " ", r.ContentLength))
}

func TestRoundTripNoAlloc(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	answer := []byte(ok(strings.Repeat("x", 20_000))[0])
	go func() { // allocates nothing itself
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for buf := make([]byte, 4096); ; {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}()
	c, err := dialBounded(t.Context(), ln.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	request := FormatRequest("GET", "/", nil, nil)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if _, err := c.roundTrip(request); err != nil {
			t.Error(err)
		}
	}))
}
