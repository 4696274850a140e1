package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/flagstaff-io/flagstaff/bench"
)

type loadCmd struct {
	URL         *url.URL      `arg:"" help:"http:// URL."`
	Method      string        `short:"X" help:"Method. POST if there is data, else GET." placeholder:"METHOD"`
	Header      []string      `short:"H" sep:"none" help:"Header field, such as 'X-Environment-Key: k'; may be repeated." placeholder:"FIELD"`
	Data        string        `short:"d" help:"Body, or @ and the name of a file that holds it." placeholder:"DATA"`
	Connections int           `short:"c" help:"Connections, with a request at a time on each." default:"32" placeholder:"N"`
	Duration    time.Duration `short:"t" help:"How long." default:"10s" placeholder:"DURATION"`
}

// Run sends the request over and over and prints what came of it.
func (c *loadCmd) Run(ctx context.Context) error {
	request, err := c.request()
	if err != nil {
		return err
	}
	address := c.URL.Host
	if c.URL.Port() == "" {
		address = net.JoinHostPort(c.URL.Hostname(), "80")
	}
	g, err := bench.Dial(ctx, bench.Load{Address: address, Requests: [][]byte{request}, Connections: c.Connections})
	if err != nil {
		return err
	}
	defer g.Close()
	run := g.Run(ctx, c.Duration)
	fmt.Printf("%.0f requests/s: %d in %.2f s on %d connections, %d errors\n",
		run.Rate(), run.Requests, run.Elapsed.Seconds(), c.Connections, run.Errors)
	for _, quantile := range []float64{50, 90, 99, 99.9, 100} {
		fmt.Printf("%6.1f %%  %8.3f ms\n", quantile, float64(run.Latency.ValueAtQuantile(quantile))/1e6)
	}
	return run.FirstError
}

func (c *loadCmd) request() ([]byte, error) {
	if c.URL.Scheme != "http" || c.URL.Host == "" {
		return nil, fmt.Errorf("%q is no http:// URL", c.URL)
	}
	fields := []bench.Field{{Name: "Host", Value: c.URL.Host}}
	for _, text := range c.Header {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil, fmt.Errorf("header %q has no colon", text)
		}
		fields = append(fields, bench.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	data := []byte(c.Data)
	if name, isFile := strings.CutPrefix(c.Data, "@"); isFile {
		var err error
		if data, err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	method := c.Method
	switch {
	case method != "":
	case len(data) > 0:
		method = "POST"
	default:
		method = "GET"
	}
	return bench.FormatRequest(method, c.URL.RequestURI(), fields, data), nil
}
