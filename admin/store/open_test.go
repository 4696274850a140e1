package store_test

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/migrations"
)

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	const secret = "s3cret-pass"
	for _, tt := range []struct {
		name, url string
		text      string // of the error
	}{
		{name: "nothing", url: "", text: "empty"},
		{name: "unknown scheme", url: "mysql://u:" + secret + "@h/db", text: "mysql://"},
		{name: "SQLite in memory", url: ":memory:", text: "path of a file"},
		{name: "SQLite without a path", url: "sqlite://", text: "path of a file"},
		{name: "SQLite in a directory that is not there", url: filepath.Join(t.TempDir(), "no", "f.db"), text: "no such file"},
		{name: "Postgres URL that is none", url: "postgres://u:" + secret + "@h:port/db", text: "not a valid URL"},
		{name: "Postgres URL with a bad escape", url: "postgres://u:" + secret + "%zz@h/db", text: "not a valid URL"},
		{name: "Postgres URL with a bad setting", url: "postgres://u:" + secret + "@h/db?sslmode=maybe", text: "sslmode"},
		{name: "password among the settings", url: "postgres://h/db?password=" + secret + "&sslmode=maybe", text: "sslmode"},
		{name: "password that is escaped", url: "postgres://u:" + secret + "%2F@h/db?sslmode=maybe", text: "sslmode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := store.Open(t.Context(), store.Config{URL: tt.url})
			require.ErrorContains(t, err, tt.text)
			require.NotContains(t, err.Error(), secret)
			require.NotErrorIs(t, err, store.ErrUnavailable, "waiting would not help")
		})
	}
}

func TestOpenUnreachablePostgres(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())

	_, err = store.Open(t.Context(), store.Config{URL: "postgres://u:s3cret-pass@" + address + "/db?sslmode=disable"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotContains(t, err.Error(), "s3cret-pass")
}

func TestOpenPostgresThatNeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	require.NoError(t, err)
	defer l.Close()
	cfg := store.Config{
		URL:            "postgres://u:s3cret-pass@" + l.Addr().String() + "/db?sslmode=disable",
		ConnectTimeout: 50 * time.Millisecond,
	}
	_, err = store.Open(t.Context(), cfg)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotContains(t, err.Error(), "s3cret-pass")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Open(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled, "the caller's own end is not the database's")
}

func TestOpenPostgresWithWrongPassword(t *testing.T) {
	u, err := url.Parse(storetest.PostgresURL(t))
	require.NoError(t, err)
	u.User = url.UserPassword(u.User.Username(), "s3cret-pass")
	_, err = store.Open(t.Context(), store.Config{URL: u.String()})
	require.ErrorContains(t, err, "password authentication failed")
	require.NotErrorIs(t, err, store.ErrUnavailable, "waiting would not help")
	require.NotContains(t, err.Error(), "s3cret-pass")
}

func TestSQLiteSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space ?&#%.db")
	st := storetest.Open(t, store.Config{URL: path})
	require.Equal(t, migrations.SQLite, st.Dialect())

	if runtime.GOOS != "windows" {
		for _, suffix := range []string{"", "-wal"} {
			info, err := os.Stat(path + suffix)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "others must not read %q", suffix)
		}
	}
	for name, db := range map[string]*sql.DB{"writer": st.WriteDB(), "reader": st.ReadDB()} {
		var mode string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode))
		require.Equal(t, "wal", mode, name)
		require.EqualValues(t, 2, queryInt(t, db, "PRAGMA synchronous"), "%s: FULL", name)
		require.EqualValues(t, 1, queryInt(t, db, "PRAGMA foreign_keys"), name)
		require.EqualValues(t, 5000, queryInt(t, db, "PRAGMA busy_timeout"), name)
	}
	_, err := st.ReadDB().ExecContext(t.Context(), "DELETE FROM users")
	require.Error(t, err, "readers do not write")

	again := storetest.Open(t, store.Config{URL: "sqlite://" + path})
	require.EqualValues(t, 0, queryInt(t, again.ReadDB(), "SELECT COUNT(*) FROM users"), "the same file by its URL")
}

func TestPostgresStatementTimeout(t *testing.T) {
	st := storetest.Open(t, store.Config{URL: storetest.PostgresURL(t), StatementTimeout: 50 * time.Millisecond})
	require.Equal(t, migrations.Postgres, st.Dialect())
	_, err := st.WriteDB().ExecContext(t.Context(), "LOCK TABLE users") // outside a transaction: released at once
	require.Error(t, err)
	tx, err := st.WriteDB().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE users")
	require.NoError(t, err)
	_, err = st.CountUsers(t.Context())
	require.ErrorIs(t, err, store.ErrUnavailable)
}

// Moments must come back as the instant that was stored, in UTC, whatever zone the caller, the machine or the session has.
func TestMomentsRoundTrip(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		for i, want := range []time.Time{
			time.Date(2026, 3, 1, 10, 0, 0, 123_456_000, time.UTC),
			time.Date(2026, 7, 1, 2, 30, 0, 999_999_000, time.FixedZone("east", 5*3600+1800)),
			time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC),
			time.Date(2026, 3, 1, 10, 0, 0, 0, time.Local),
		} {
			key, err := st.CreateServerKey(t.Context(), store.NewServerKey{EnvironmentID: env, ExpiresAt: &want})
			require.NoError(t, err)
			got, err := st.LookupKey(t.Context(), key.Key)
			require.NoError(t, err)
			require.Equal(t, want.UTC(), *got.ExpiresAt, "moment %d", i)
		}
		precise := time.Date(2026, 3, 1, 10, 0, 0, 123_456_789, time.UTC)
		key, err := st.CreateServerKey(t.Context(), store.NewServerKey{EnvironmentID: env, ExpiresAt: &precise})
		require.NoError(t, err)
		got, err := st.LookupKey(t.Context(), key.Key)
		require.NoError(t, err)
		require.Equal(t, precise.Truncate(time.Microsecond), *got.ExpiresAt, "cut, not rounded, to microseconds")
	})
}
