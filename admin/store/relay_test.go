package store_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// fault is what a relay does to the next COMMIT that passes.
type fault int32

const (
	noFault     fault = iota
	dropRequest       // the server never sees it
	dropReply         // the server carries it out, the client does not hear
)

// relay stands between the store and Postgres and can cut the line.
type relay struct {
	listener net.Listener
	server   string
	onCommit atomic.Int32 // a fault
	wg       sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

// newRelay returns a relay to the database at address and the address of that database behind it.
func newRelay(t *testing.T, address string) (*relay, string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{listener: l, server: u.Host, conns: map[net.Conn]struct{}{}}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close() // ends accept
		r.cut()
		r.wg.Wait()
	})
	u.Host = l.Addr().String()
	return r, u.String()
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil || !r.add(client, server) {
			_ = client.Close()
			continue
		}
		r.wg.Go(func() { r.forward(client, server) })
	}
}

// add remembers both ends, unless the line is cut.
func (r *relay) add(client, server net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		_ = server.Close()
		return false
	}
	r.conns[client], r.conns[server] = struct{}{}, struct{}{}
	return true
}

func (r *relay) forward(client, server net.Conn) {
	var muted atomic.Bool
	replies := make(chan struct{})
	go func() {
		defer close(replies)
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || muted.Load() {
				return // a muted reply has arrived here: the server is done
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	defer func() { <-replies }()
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("commit\x00")) {
			switch fault(r.onCommit.Swap(int32(noFault))) {
			case dropRequest:
				_ = client.Close()
				return
			case dropReply:
				muted.Store(true)
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if muted.Load() {
			_, _ = io.Copy(io.Discard, client) // until the other direction has seen the reply and hung up
			return
		}
	}
}

// cut breaks every connection and refuses new ones.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for c := range r.conns {
		_ = c.Close()
	}
	clear(r.conns)
}

func (r *relay) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}
