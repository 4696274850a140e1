package proxy

import (
	"net"
	"sync"
	"sync/atomic"
)

// silentListener knows the connections on which nothing was ever received, and closes them together with itself: nothing is in
// flight there, but fasthttp's drain would wait out their read timeout.
type silentListener struct {
	net.Listener

	mu     sync.Mutex
	closed bool
	silent map[*silentConn]struct{}
}

func listenSilent(ln net.Listener) *silentListener {
	return &silentListener{Listener: ln, silent: make(map[*silentConn]struct{})}
}

// Accept waits for a connection.
func (l *silentListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Refused only by a connection that is broken already, which the first read will tell.
		_ = tcp.SetKeepAlive(true)
	}
	c := &silentConn{Conn: conn, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.silent[c] = struct{}{}
	return c, nil
}

// Close stops accepting.
func (l *silentListener) Close() error {
	err := l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.silent {
		_ = c.Conn.Close()
	}
	clear(l.silent)
	return err
}

// silentConn leaves its listener's list with the first byte, or with its end.
type silentConn struct {
	net.Conn
	listener *silentListener
	spoke    atomic.Bool // nothing is left to forget; asked on every Read, so that the lock is taken once
}

// Read reads.
func (c *silentConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.spoke.Load() {
		c.forget()
	}
	return n, err
}

// Close closes.
func (c *silentConn) Close() error {
	if !c.spoke.Load() {
		c.forget()
	}
	return c.Conn.Close()
}

func (c *silentConn) forget() {
	c.spoke.Store(true)
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	delete(c.listener.silent, c)
}

// watchedListener tells when somebody begins to accept from it.
type watchedListener struct {
	net.Listener
	once      sync.Once
	accepting chan struct{} // closed by the first Accept
}

// Accept implements net.Listener.
func (l *watchedListener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.accepting) })
	return l.Listener.Accept()
}
