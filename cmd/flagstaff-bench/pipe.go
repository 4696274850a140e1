package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/flagstaff-io/flagstaff/bench"
)

// warmUp is how many requests come before the benchmark begins: the server's buffers grow to their size with the first ones.
const warmUp = 100

// endless is a connection without a network: whenever the server wants to read, the next request is there, until the benchmark
// has enough. It allocates nothing and costs a copy of the request, so that what is counted is the server. The server's own
// goroutine drives the benchmark's loop.
type endless struct {
	more  func() bool // the benchmark's
	load  *bench.Scenario
	sizes []int // of the answer to each request, on the wire

	warm      int    // requests before the benchmark
	next      int    // place in the order
	request   []byte // what the server has not read yet
	want, got int    // bytes of the answer to the last request
	index     int
	failed    error
	closed    chan struct{}
}

func newEndless(s *bench.Scenario, sizes []int, more func() bool) *endless {
	return &endless{more: more, load: s, sizes: sizes, closed: make(chan struct{})}
}

// Read gives the server the next request, and checks the answer to the last one.
func (c *endless) Read(p []byte) (int, error) {
	if len(c.request) == 0 {
		if c.got != c.want {
			c.failed = fmt.Errorf("request %d: answer of %d bytes, want %d", c.index, c.got, c.want)
			return 0, io.EOF
		}
		if c.warm < warmUp {
			c.warm++
		} else if !c.more() {
			return 0, io.EOF
		}
		c.index = 0
		if len(c.load.Order) > 0 {
			c.index = int(c.load.Order[c.next])
			if c.next++; c.next == len(c.load.Order) {
				c.next = 0
			}
		}
		c.request, c.want, c.got = c.load.Requests[c.index], c.sizes[c.index], 0
	}
	n := copy(p, c.request)
	c.request = c.request[n:]
	return n, nil
}

// Write takes what the server answers.
func (c *endless) Write(p []byte) (int, error) {
	c.got += len(p)
	return len(p), nil
}

// Close tells the benchmark that the server is done with the connection.
func (c *endless) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

// The rest of net.Conn is nothing.

func (c *endless) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *endless) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (c *endless) SetDeadline(time.Time) error      { return nil }
func (c *endless) SetReadDeadline(time.Time) error  { return nil }
func (c *endless) SetWriteDeadline(time.Time) error { return nil }

// handoff is a listener that gives a server the connections it is handed.
type handoff struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, io.EOF
	}
}

func (l *handoff) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *handoff) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// benchmark runs a scenario against the server behind l.
func (l *handoff) benchmark(s *bench.Scenario, sizes []int) (cost, error) {
	var failed error
	result, err := measured(func(b *testing.B, loop func() bool) {
		c := newEndless(s, sizes, loop)
		l.conns <- c
		<-c.closed
		if failed = c.failed; failed != nil {
			b.Fail()
		}
	})
	return result, errors.Join(failed, err)
}

// cost is what one benchmark came to.
type cost struct {
	testing.BenchmarkResult
	cpu time.Duration // of this process; 0: not known
}

// measured is testing.Benchmark that reads the CPU time too. The function loops as long as loop says so.
func measured(fn func(b *testing.B, loop func() bool)) (cost, error) {
	var c cost
	pid := os.Getpid()
	c.BenchmarkResult = testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		begun := false
		fn(b, func() bool {
			if !begun {
				begun = true
				c.cpu = -bench.CPUTime(pid)
			}
			if b.Loop() {
				return true
			}
			c.cpu += bench.CPUTime(pid)
			return false
		})
	})
	if c.N == 0 {
		return c, errors.New("benchmark failed")
	}
	return c, nil
}
