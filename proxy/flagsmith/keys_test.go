package flagsmith_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/flagstaff-io/flagstaff/proxy/flagsmith"
)

// serveOne serves one request on a connection of its own, for tests in which time is not real.
func (r *rig) serveOne(req *http.Request) *answer {
	r.t.Helper()
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- (&fasthttp.Server{Handler: r.router.Handle}).ServeConn(server) }()
	req.Close = true
	wrote := make(chan error, 1)
	go func() { wrote <- req.Write(client) }()
	resp, err := http.ReadResponse(bufio.NewReader(client), req)
	require.NoError(r.t, err)
	var text strings.Builder
	_, err = bufio.NewReader(resp.Body).WriteTo(&text)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	require.NoError(r.t, <-wrote)
	require.NoError(r.t, client.Close())
	require.NoError(r.t, <-done)
	require.NoError(r.t, server.Close())
	return &answer{status: resp.StatusCode, header: resp.Header, body: text.String()}
}

// TestKeyStates: upstream never looks at active and expires_at; a key that was switched off must not go on working (spec 1.2, 7).
func TestKeyStates(t *testing.T) {
	t.Parallel()
	hour := time.Hour
	for _, row := range []struct {
		name string
		key  flagsmith.Key
		want int
	}{
		{"active", flagsmith.Key{Server: true, Active: true}, 200},
		{"inactive", flagsmith.Key{Server: true}, 403},
		{"expired", flagsmith.Key{Server: true, Active: true, ExpiresAt: ptr(time.Now().Add(-hour))}, 403},
		{"expires later", flagsmith.Key{Server: true, Active: true, ExpiresAt: ptr(time.Now().Add(hour))}, 200},
		{"inactive and expires later", flagsmith.Key{Server: true, ExpiresAt: ptr(time.Now().Add(hour))}, 403},
		{"says server, is a client's", flagsmith.Key{Active: true}, 403},
		{"of an environment that is gone", flagsmith.Key{EnvironmentID: 99, Server: true, Active: true}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, shop())
			if row.key.EnvironmentID == 0 {
				row.key.EnvironmentID = shopID
			}
			r.addKey("ser.key", row.key)
			a := r.send("GET", documentPath, "", withKey("ser.key"))
			require.Equal(t, row.want, a.status)
			if row.want == 403 {
				require.Equal(t, `{"detail":"Invalid or missing Environment Key"}`, a.body)
			}
			if row.key.Server {
				require.Equal(t, row.want, r.send("GET", "/api/v1/flags/", "", withKey("ser.key")).status)
			}
		})
	}
}

func TestKeyThatExpiresWhileItIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newHandlerRig(t, shop())
		r.addKey("ser.key", flagsmith.Key{EnvironmentID: shopID, Server: true, Active: true, ExpiresAt: ptr(time.Now().Add(10 * time.Second))})
		status := func() int { return r.serveOne(r.request("GET", documentPath, "", withKey("ser.key"))).status }
		require.Equal(t, 200, status())
		time.Sleep(10*time.Second - time.Nanosecond)
		require.Equal(t, 200, status())
		time.Sleep(time.Nanosecond)
		require.Equal(t, 403, status())
		require.Equal(t, 1, r.keySource.Loads("ser.key"), "it was known all the time")
	})
}

func TestKeyThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	r.get(documentPath, withKey(serverKey))
	entry := r.keySource.Set(serverKey, encode(t, flagsmith.Key{EnvironmentID: shopID, Server: true}))
	_, err := r.keys.Put(serverKey, entry)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, r.send("GET", documentPath, "", withKey(serverKey)).status)
}

func TestOrganisationThatIsStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(servingStopped))
	for _, p := range paths {
		for _, key := range []string{clientKey, serverKey} {
			if strings.Contains(p.path, "document") && key == clientKey {
				continue
			}
			a := r.send(p.methods[0], p.path, p.body, withKey(key))
			require.Equal(t, http.StatusForbidden, a.status, p.path)
			require.Equal(t, `{"detail":"Organisation is disabled from serving flags."}`, a.body, p.path)
		}
	}
	a := r.send("GET", "/sse/environments/"+clientKey+"/stream", "")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Empty(t, r.people.written())
	r.publish(shop()) // and comes back
	r.get("/api/v1/flags/")
}

// A wrong key is asked for once: what is not there is remembered, and a key longer than any is not even looked up.
func TestWrongKeysAreCheap(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop())
	long := strings.Repeat("k", 101)
	for range 5 {
		r.send("GET", "/api/v1/flags/", "", withKey("nope"))
		r.send("GET", "/api/v1/flags/", "", withKey(long))
	}
	require.Equal(t, 1, r.keySource.Loads("nope"))
	require.Zero(t, r.keySource.Loads(long))
}
