package main_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// relay stands between the server and its database, and can fail like the network does.
type relay struct {
	address  string // where it listens
	network  string // of the database
	target   string
	listener net.Listener
	wait     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // state or closed
	state   relayState
	closed  bool
	conns   map[net.Conn]struct{} // both ends of every pair
	opened  int                   // connections that came
	held    int                   // packets that wait for the end of a stall
}

type relayState int

const (
	passing  relayState = iota
	isCut               // connections are reset, new ones too
	stalling            // connections stay and nothing passes
)

// newRelay starts a relay to the database of a URL.
func newRelay(t testing.TB, databaseURL string) *relay {
	t.Helper()
	cfg, err := pgconn.ParseConfig(databaseURL)
	require.NoError(t, err)
	r := &relay{conns: make(map[net.Conn]struct{})}
	r.changed = sync.NewCond(&r.mu)
	r.network, r.target = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	r.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = r.listener.Addr().String()
	r.wait.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.opened++
		r.mu.Unlock()
		r.wait.Go(func() { r.serve(conn) })
	}
}

func (r *relay) serve(client net.Conn) {
	if !r.keep(client) {
		return
	}
	defer r.drop(client)
	server, err := net.Dial(r.network, r.target)
	if err != nil || !r.keep(server) {
		return
	}
	defer r.drop(server)
	var pair sync.WaitGroup
	pair.Go(func() { r.pass(client, server) })
	pair.Go(func() { r.pass(server, client) })
	pair.Wait()
}

// keep notes a connection, or closes it when there can be none now.
func (r *relay) keep(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == isCut || r.closed {
		_ = conn.Close() // nobody is to hear of it
		return false
	}
	r.conns[conn] = struct{}{}
	return true
}

func (r *relay) drop(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
	_ = conn.Close() // it may be closed
}

// pass copies one way until either side ends.
func (r *relay) pass(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.whenPassing()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				_ = from.Close() // it is broken
			}
			return
		}
	}
}

// whenPassing waits for the end of a stall.
func (r *relay) whenPassing() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.state == stalling && !r.closed {
		r.held++
		r.changed.Wait()
		r.held--
	}
}

// holds tells whether something was sent that the stall keeps.
func (r *relay) holds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held > 0
}

// accepted counts the connections that were tried.
func (r *relay) accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

func (r *relay) set(s relayState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s
	if s == isCut {
		r.closeAllLocked()
	}
	r.changed.Broadcast()
}

func (r *relay) cut()     { r.set(isCut) }
func (r *relay) stall()   { r.set(stalling) }
func (r *relay) restore() { r.set(passing) }

func (r *relay) closeAllLocked() {
	for conn := range r.conns {
		_ = conn.Close() // that is the fault
	}
}

func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	r.closeAllLocked()
	r.changed.Broadcast()
	r.mu.Unlock()
	_ = r.listener.Close() // it can only be closed already
	r.wait.Wait()
}
