package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// terminated stops a server like an orchestrator does and returns its exit code.
func terminated(n *node) int {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	return n.wait()
}

// half is a request of which the server has the first half.
type half struct {
	t    testing.TB
	conn net.Conn
	rest string
}

// beginRequest sends a POST without the last byte of its body.
func beginRequest(n *node, path, key, body string) *half {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.address)
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
	require.NoError(n.t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: flags\r\nX-Environment-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, key, len(body), body[:len(body)-1])
	require.NoError(n.t, err)
	return &half{n.t, conn, body[len(body)-1:]}
}

// finish sends the rest and reads the answer.
func (h *half) finish() answer {
	h.t.Helper()
	_, err := io.WriteString(h.conn, h.rest)
	require.NoError(h.t, err)
	return h.answer()
}

func (h *half) answer() answer {
	h.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(h.conn), nil)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.True(h.t, resp.Close, "the connection ends with the drain")
	return answer{resp.StatusCode, resp.Header, string(body)}
}

const annIsPremium = `{"identifier":"ann","traits":[{"trait_key":"plan","trait_value":"premium"}]}`

// TestSignalDrains goes through a stop step by step: readiness fails while the server still serves, then the listener closes,
// streams end, what is in flight is answered, and the exit code is 0.
func TestSignalDrains(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			databaseURL := storetest.SQLiteURL(t)
			delay := "--drain-delay=1500ms"
			if raceEnabled {
				delay = "--drain-delay=4s"
			}
			n, _ := seeded(t, databaseURL, delay, "--drain-timeout=15s")
			c := n.client()
			c.get("/health/readiness/", "").ok(t)
			slow := beginRequest(n, "/api/v1/identities/", clientKey, annIsPremium)
			events := n.listenTo(clientKey)
			keptAlive := newClient(t, n.address, 1)
			keptAlive.flags(clientKey)

			n.signal(sig)
			eventually(t, "readiness fails", func() bool {
				return c.get("/health/readiness/", "").status == http.StatusInternalServerError
			})
			c.get("/health/liveness/", "").ok(t)
			require.NotEmpty(t, c.flags(clientKey), "it serves during the delay")
			require.False(t, events.hasEnded())

			eventually(t, "the listener closes", func() bool { return refuses(n.address) })
			eventually(t, "the stream ends", events.hasEnded)
			require.Contains(t, events.String(), "\nretry: ")
			require.True(t, n.running(), "a request is in flight")
			a := slow.finish()
			require.Contains(t, a.ok(t), `"premium"`)
			require.Zero(t, n.wait())
			require.Contains(t, n.stderr.String(), "msg=stopped")
			withStore(t, databaseURL, func(st *store.Store) {
				key, err := st.LookupKey(t.Context(), clientKey)
				require.NoError(t, err)
				ann, err := st.Identity(t.Context(), key.EnvironmentID, "ann")
				require.NoError(t, err)
				require.Len(t, ann.Traits, 1, "what came in during the drain is stored")
			})
		})
	}
}

// TestWriteInFlightIsFinished stops the server while a write waits for the database.
func TestWriteInFlightIsFinished(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.PostgresURL(t)
	seed(t, databaseURL)
	relay := newRelay(t, databaseURL)
	n := serve(t, vars{"DATABASE_URL": withHost(t, databaseURL, relay.address)})
	c := n.client()
	c.post("/api/v1/identities/", clientKey, annIsPremium).ok(t) // all is in memory now
	relay.stall()
	answered := make(chan answer, 1)
	go func() {
		a, err := c.try(request{method: http.MethodPost, path: "/api/v1/identities/", key: clientKey,
			body: strings.ReplaceAll(annIsPremium, "premium", "free")})
		if err != nil {
			a.body = err.Error()
		}
		answered <- a
	}()
	eventually(t, "the write reaches the database", relay.holds)
	n.signal(syscall.SIGTERM)
	eventually(t, "the listener closes", func() bool { return refuses(n.address) })
	relay.restore()
	require.Contains(t, (<-answered).ok(t), `"free"`)
	require.Zero(t, n.wait())
}

// TestSecondSignal cuts the drain short.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			n, _ := seeded(t, storetest.SQLiteURL(t), "--drain-delay=1h")
			n.signal(syscall.SIGTERM)
			n.logged("msg=draining")
			n.client().get("/health/liveness/", "").ok(t)
			r := run(t, vars{"FLAGSTAFF_LISTEN": n.address}, "healthcheck")
			require.Equal(t, 1, r.code, "it drains")
			require.Contains(t, r.stderr, "not ready: status 500")
			n.signal(sig)
			require.Equal(t, 130, n.wait())
		})
	}
}

// TestDrainEndsInTime leaves a request in flight that never ends.
func TestDrainEndsInTime(t *testing.T) {
	t.Parallel()
	n, _ := seeded(t, storetest.SQLiteURL(t), "--drain-timeout=300ms", "--read-timeout=1m")
	beginRequest(n, "/api/v1/identities/", clientKey, annIsPremium)
	eventually(t, "the server has read of it", func() bool { return n.client().get("/health/liveness/", "").status == http.StatusOK })
	require.Equal(t, 1, terminated(n))
	require.Contains(t, n.stderr.String(), "connections were still open")
}

// TestIdleConnectionsDoNotHoldUpTheDrain: a balancer keeps connections open between requests, and opens some in advance.
func TestIdleConnectionsDoNotHoldUpTheDrain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		open func(t *testing.T, n *node)
	}{
		{name: "kept alive", open: func(t *testing.T, n *node) {
			newClient(t, n.address, 10).flags(clientKey)
		}},
		{name: "opened in advance", open: func(t *testing.T, n *node) {
			conn, err := net.Dial("tcp", n.address)
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
			n.client().flags(clientKey)            // it has accepted the one before
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, _ := seeded(t, storetest.SQLiteURL(t))
			tt.open(t, n)
			began := time.Now()
			require.Zero(t, terminated(n))
			requireWithin(t, 4*time.Second, began, "the drain")
		})
	}
}

// TestSignalWhileTheDatabaseIsAwaited stops a server that never got as far as serving.
func TestSignalWhileTheDatabaseIsAwaited(t *testing.T) {
	t.Parallel()
	for _, state := range []relayState{isCut, stalling} {
		t.Run(map[relayState]string{isCut: "refuses", stalling: "does not answer"}[state], func(t *testing.T) {
			t.Parallel()
			databaseURL := storetest.PostgresURL(t)
			relay := newRelay(t, databaseURL)
			relay.set(state)
			env := vars{"DATABASE_URL": withHost(t, databaseURL, relay.address)}
			n := &node{process: launch(t, env, "serve", "--listen=127.0.0.1:0", "--database-wait=1h")}
			eventually(t, "it tries", func() bool { return relay.accepted() > 0 })
			began := time.Now()
			require.Zero(t, terminated(n), "it was told to stop and did")
			requireWithin(t, 3*time.Second, began, "the stop")

			// A command that could not do its work says so.
			m := &node{process: launch(t, env, "migrate", "up", "--database-wait=1h")}
			m.logged("database is not reachable") // so it listens to signals; a connection may be a late one of the server's
			require.Equal(t, 3, terminated(m))
		})
	}
}
