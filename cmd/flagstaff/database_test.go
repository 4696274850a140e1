package main_test

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// The keys of the environment Development in every database that seed has filled.
const (
	clientKey = "client-key-of-the-tests"
	serverKey = "ser.server-key-of-the-tests"
)

// eachDatabase runs fn on SQLite and on Postgres, in parallel, with the address of an empty database.
func eachDatabase(t *testing.T, fn func(t *testing.T, databaseURL string)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, storetest.SQLiteURL(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, storetest.PostgresURL(t))
	})
}

// seed fills a database with the samples under the tests' keys. It leaves no connection open. A first start of the binary
// would do the same, but for the price of a good password hash.
func seed(t testing.TB, databaseURL string) store.BootstrapResult {
	t.Helper()
	return seedWith(t, databaseURL, serverKey)
}

func seedWith(t testing.TB, databaseURL, serverKey string) store.BootstrapResult {
	t.Helper()
	var made store.BootstrapResult
	withStore(t, databaseURL, func(st *store.Store) {
		require.NoError(t, st.Migrate(t.Context()))
		var err error
		made, err = st.Bootstrap(t.Context(), store.BootstrapParams{ClientKey: clientKey, ServerKey: serverKey})
		require.NoError(t, err)
		require.True(t, made.Done)
	})
	return made
}

// seeded starts a server on a filled database.
func seeded(t testing.TB, databaseURL string, args ...string) (*node, store.BootstrapResult) {
	t.Helper()
	made := seed(t, databaseURL)
	return serve(t, vars{"DATABASE_URL": databaseURL}, args...), made
}

// withStore opens a database for fn.
func withStore(t testing.TB, databaseURL string, fn func(*store.Store)) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{URL: databaseURL, PasswordCost: 4, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	fn(st)
}

// inDataDir is the database that a server keeps in a data directory.
func inDataDir(dir string) string { return "sqlite://" + filepath.Join(dir, "flagstaff.db") }

// withHost is a database address through another door.
func withHost(t testing.TB, databaseURL, host string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	u.Host = host
	return u.String()
}
