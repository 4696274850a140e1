package migrations_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs fn on an empty database of each kind.
func each(t *testing.T, fn func(*testing.T, *sql.DB, migrations.Dialect)) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		dialect := migrations.Postgres
		if strings.HasPrefix(url, "sqlite://") {
			dialect = migrations.SQLite
		}
		fn(t, openDB(t, dialect, url), dialect)
	})
}

func openDB(t *testing.T, dialect migrations.Dialect, url string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", url
	if dialect == migrations.SQLite {
		driver, dsn = "sqlite", "file:"+strings.TrimPrefix(url, "sqlite://")+"?_foreign_keys=on"
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestDialectsHaveTheSameFiles(t *testing.T) {
	names := func(dir string) []string {
		found, err := fs.Glob(os.DirFS(dir), "*.sql")
		require.NoError(t, err)
		return found
	}
	require.NotEmpty(t, names("postgres"))
	require.Equal(t, names("postgres"), names("sqlite"))
}

func TestUpDownUp(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, dialect migrations.Dialect) {
		ctx := t.Context()
		require.NoError(t, migrations.Up(ctx, db, dialect, nil))
		first := schema(t, db, dialect)
		require.NotEmpty(t, first)
		require.NoError(t, migrations.Up(ctx, db, dialect, nil), "a second time there is nothing to do")

		steps := 0
		for ; ; steps++ {
			err := migrations.Down(ctx, db, dialect, nil)
			if errors.Is(err, migrations.ErrNone) {
				break
			}
			require.NoError(t, err)
		}
		all, err := migrations.Status(ctx, db, dialect, nil)
		require.NoError(t, err)
		require.Len(t, all, steps)
		for _, m := range all {
			require.False(t, m.Applied, m.Name)
			require.Zero(t, m.AppliedAt)
		}
		require.Empty(t, schema(t, db, dialect), "what the migrations made is gone")

		require.NoError(t, migrations.Up(ctx, db, dialect, nil))
		require.Equal(t, first, schema(t, db, dialect))
	})
}

func TestRollbackAfter(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, dialect migrations.Dialect) {
		ctx := t.Context()
		applied := func() (versions []int64) {
			all, err := migrations.Status(ctx, db, dialect, nil)
			require.NoError(t, err)
			for _, m := range all {
				if m.Applied {
					versions = append(versions, m.Version)
				}
			}
			return versions
		}
		before := time.Now().Add(-time.Microsecond)
		require.NoError(t, migrations.Up(ctx, db, dialect, nil))
		all, err := migrations.Status(ctx, db, dialect, nil)
		require.NoError(t, err)
		for i, m := range all {
			require.WithinRange(t, m.AppliedAt, before, time.Now(), m.Name)
			require.Equal(t, time.UTC, m.AppliedAt.Location())
			require.Equal(t, int64(i+1), m.Version, "numbers have no gaps")
		}

		undone, err := migrations.RollbackAfter(ctx, db, dialect, nil, time.Now())
		require.NoError(t, err)
		require.Zero(t, undone, "nothing was applied after now")

		undone, err = migrations.RollbackAfter(ctx, db, dialect, nil, all[2].AppliedAt)
		require.NoError(t, err)
		require.Equal(t, len(all)-3, undone)
		require.Equal(t, []int64{1, 2, 3}, applied(), "the one applied at that very moment stays")

		// Migrations that a later release applied go, those of the first release stay, though their numbers are mixed up.
		release := time.Now()
		require.NoError(t, migrations.Up(ctx, db, dialect, nil))
		require.Len(t, applied(), len(all))
		undone, err = migrations.RollbackAfter(ctx, db, dialect, nil, release)
		require.NoError(t, err)
		require.Equal(t, len(all)-3, undone)

		undone, err = migrations.RollbackAfter(ctx, db, dialect, nil, time.Time{})
		require.NoError(t, err)
		require.Equal(t, 3, undone)
		require.Empty(t, applied())
	})
}

func TestConcurrentUpOnPostgres(t *testing.T) {
	url := storetest.PostgresURL(t)
	const nodes = 8
	errs := make(chan error, nodes)
	for range nodes {
		db := openDB(t, migrations.Postgres, url) // each node has a pool of its own
		db.SetMaxOpenConns(2)
		go func() { errs <- migrations.Up(context.Background(), db, migrations.Postgres, nil) }()
	}
	for range nodes {
		require.NoError(t, <-errs)
	}
	all, err := migrations.Status(t.Context(), openDB(t, migrations.Postgres, url), migrations.Postgres, nil)
	require.NoError(t, err)
	for _, m := range all {
		require.True(t, m.Applied, m.Name)
	}
}

// The same number means the same schema: tables, columns and what may be NULL are compared; types differ.
func TestDialectsHaveTheSameColumns(t *testing.T) {
	columns := func(dialect migrations.Dialect, url, query string) []string {
		db := openDB(t, dialect, url)
		require.NoError(t, migrations.Up(t.Context(), db, dialect, nil))
		return queryStrings(t, db, query)
	}
	postgres := columns(migrations.Postgres, storetest.PostgresURL(t), `
		SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
		FROM information_schema.columns
		WHERE table_schema = 'public'`)
	sqlite := columns(migrations.SQLite, storetest.SQLiteURL(t), `
		SELECT t.name || '.' || c.name || CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN ' NOT NULL' ELSE '' END
		FROM sqlite_master t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'`)
	require.NotEmpty(t, postgres)
	require.Equal(t, postgres, sqlite)
}

// schema lists what the migrations made, sorted.
func schema(t *testing.T, db *sql.DB, dialect migrations.Dialect) []string {
	t.Helper()
	return queryStrings(t, db, map[migrations.Dialect]string{
		migrations.SQLite: `
			SELECT name || ': ' || COALESCE(sql, '')
			FROM sqlite_master
			WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'flagstaff_migrations'`,
		migrations.Postgres: `
			SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || is_identity
			FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name <> 'flagstaff_migrations'
			UNION ALL
			SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'flagstaff_migrations'
			UNION ALL
			SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid)
			FROM pg_constraint
			WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'flagstaff_migrations'`,
	}[dialect])
}

func queryStrings(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		all = append(all, s)
	}
	require.NoError(t, rows.Err())
	slices.Sort(all)
	return all
}

func ExampleRollbackAfter() {
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	ctx := context.Background()
	deployed := time.Now()
	if err := migrations.Up(ctx, db, migrations.SQLite, nil); err != nil {
		panic(err)
	}
	undone, err := migrations.RollbackAfter(ctx, db, migrations.SQLite, nil, deployed.Add(-time.Second))
	all, _ := migrations.Status(ctx, db, migrations.SQLite, nil)
	fmt.Println(undone == len(all), err)
	// Output: true <nil>
}
