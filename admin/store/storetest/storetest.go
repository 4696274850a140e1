// Package storetest runs tests of the store, and of what is built on it, against both databases.
//
//	storetest.Each(t, func(t *testing.T, st *store.Store) { … })
//
// Postgres is the server that FLAGSTAFF_TEST_POSTGRES_URL names; `make test` and scripts/with-postgres provide one. Without
// it those tests are skipped, except in CI, where they must not go missing unnoticed.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
)

// postgresVariable names the server on which tests may create and drop databases.
const postgresVariable = "FLAGSTAFF_TEST_POSTGRES_URL"

// Each runs fn as subtests "sqlite" and "postgres", in parallel, each on a migrated database of its own.
func Each(t *testing.T, fn func(*testing.T, *store.Store)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { fn(t, Open(t, store.Config{URL: url})) })
}

// EachURL is Each for tests that open stores of their own, on the address of an empty database.
func EachURL(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, SQLiteURL(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, PostgresURL(t))
	})
}

// SQLite returns a migrated store on a file of its own.
func SQLite(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, store.Config{URL: SQLiteURL(t)})
}

// Postgres returns a migrated store on a database of its own, or skips the test.
func Postgres(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, store.Config{URL: PostgresURL(t)})
}

// Open opens and migrates a store, and closes it after the test. Passwords are hashed cheaply unless cfg says how.
func Open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.PasswordCost == 0 {
		cfg.PasswordCost = 4
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	st, err := store.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	require.NoError(t, st.Migrate(t.Context()))
	return st
}

// SQLiteURL names a file that does not exist yet and goes away with the test.
func SQLiteURL(t testing.TB) string {
	return "sqlite://" + filepath.Join(t.TempDir(), "flagstaff.db")
}

// PostgresURL creates an empty database, drops it after the test and returns its address, or skips the test.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(postgresVariable)
	if server == "" {
		const how = postgresVariable + " is not set: run `make test`, or scripts/with-postgres go test …"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	u, err := url.Parse(server)
	require.NoError(t, err)
	var random [8]byte
	rand.Read(random[:])
	name := "flagstaff_test_" + hex.EncodeToString(random[:])

	execOn(t, t.Context(), server, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		// The test's own context has ended. FORCE, because a test may have failed with connections open.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		execOn(t, ctx, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	u.Path = "/" + name
	return u.String()
}

func execOn(t testing.TB, ctx context.Context, server, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	require.NoError(t, err, statement)
}

// testLog writes log lines to the test that they belong to.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
