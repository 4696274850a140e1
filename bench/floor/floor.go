// Package floor is the yardstick: bare fasthttp servers that send one answer whatever they are asked, as fast as fasthttp can
// (a header copied from a template, a body sent from where it lies, a write buffer that holds the whole answer). A server
// that computes its answers can come near it and not below.
//
//	ln, err := net.Listen("tcp", "127.0.0.1:0")
//	err = floor.NewServer(floor.Whole(answer)).Serve(ln)
package floor

import (
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/bench"
)

// Whole returns a handler that sends an answer as it was captured: status, header fields in their order, body. Date is the
// server's own.
func Whole(a bench.Answer) fasthttp.RequestHandler {
	return replay(a, func(string) bool { return true })
}

// BodyOnly returns a handler that sends the status and the body, and of the header only what the body cannot be read without:
// the floor under any server, however few header fields it sends.
func BodyOnly(a bench.Answer) fasthttp.RequestHandler {
	return replay(a, func(name string) bool {
		return strings.EqualFold(name, fasthttp.HeaderContentType) || strings.EqualFold(name, fasthttp.HeaderContentEncoding)
	})
}

func replay(a bench.Answer, wanted func(name string) bool) fasthttp.RequestHandler {
	var header fasthttp.ResponseHeader
	header.SetNoDefaultContentType(true)
	header.SetStatusCode(a.Status)
	for _, f := range a.Fields {
		if !written(f.Name) && wanted(f.Name) {
			header.Add(f.Name, f.Value)
		}
	}
	body := a.Body
	return func(ctx *fasthttp.RequestCtx) {
		header.CopyTo(&ctx.Response.Header)
		ctx.Response.SetBodyRaw(body)
	}
}

// written tells whether fasthttp writes a field by itself.
func written(name string) bool {
	for _, own := range []string{fasthttp.HeaderDate, fasthttp.HeaderContentLength, fasthttp.HeaderConnection} {
		if strings.EqualFold(name, own) {
			return true
		}
	}
	return false
}

// NewServer returns a server with the settings of Flagstaff's own: what a timeout costs, both pay. The values are those of
// proxy.Config's defaults and must follow them.
func NewServer(handler fasthttp.RequestHandler) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      handler,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 30 * time.Second,
		IdleTimeout:                  120 * time.Second,
		MaxRequestBodySize:           1 << 20,
		ReadBufferSize:               16 << 10,
		WriteBufferSize:              64 << 10,
		Concurrency:                  100_000,
		CloseOnShutdown:              true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		TCPKeepalive:                 true,
		DisablePreParseMultipartForm: true,
		Logger:                       quiet{},
	}
}

// quiet drops what fasthttp reports about connections that end.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// nothing is the smallest answer that a client takes.
var nothing = []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

// ServeNothing answers each request with a constant without so much as parsing it: what a load generator reaches here is its
// own limit. It returns when the listener is closed. A request must arrive in one piece of at most 4 KiB.
func ServeNothing(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 4<<10)
			for {
				if _, err := conn.Read(buf); err != nil {
					return // io.EOF, or a client that went away
				}
				if _, err := conn.Write(nothing); err != nil {
					return
				}
			}
		}()
	}
}
