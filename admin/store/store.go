// Package store is the relational side of Flagstaff: accounts, organisations, projects, environments, features, segments,
// identities, and the environment documents built from them. All SQL of the admin module is here, written once for Postgres
// and SQLite. It knows nothing of HTTP, of caches or of how a flag is evaluated.
//
//	st, err := store.Open(ctx, store.Config{URL: "postgres://flagstaff@db/flagstaff", Log: log})
//	err = st.Migrate(ctx)
//	doc, err := st.BuildDocument(ctx, key.EnvironmentID)
//
// Every mutation is one transaction. One that changes what SDKs see also gives each environment concerned its next version
// and reports it as a Change; the caller refreshes its caches from that. A Store is safe for concurrent use.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/flagstaff-io/flagstaff/migrations"
)

// Config says which database to use and how.
type Config struct {
	// URL is postgres://… or postgresql://…, or for SQLite the path of a file, bare or after "sqlite://" (what follows the two
	// slashes is the path: sqlite:///var/lib/f.db is absolute, sqlite://f.db is not). It may hold a password; no error does.
	URL string
	// MaxConns bounds the connections to Postgres, and the readers of SQLite beside its one writer. Zero or negative: 10
	// and 4.
	MaxConns int
	// MaxIdleTime is how long an unused connection is kept. Zero: 5 min. Negative: for ever.
	MaxIdleTime time.Duration
	// ConnectTimeout bounds the opening of one connection to Postgres. Zero or negative: 5 s. URL's connect_timeout wins.
	ConnectTimeout time.Duration
	// StatementTimeout makes Postgres give up a statement. Zero: 30 s. Negative: never, and nothing about it is sent, as a
	// pooler between may demand. URL's statement_timeout wins. Migrations have no such bound.
	StatementTimeout time.Duration
	// BusyTimeout is how long SQLite waits for a lock that another process holds. Zero or negative: 5 s.
	BusyTimeout time.Duration
	// PasswordCost is bcrypt's. Zero or negative: 12.
	PasswordCost int
	// Now is the clock that dates every row. Nil: time.Now.
	Now func() time.Time
	// Log hears about migrations and retries. Nil: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxIdleTime = cmp.Or(c.MaxIdleTime, 5*time.Minute)
	c.ConnectTimeout = cmp.Or(max(c.ConnectTimeout, 0), 5*time.Second)
	c.StatementTimeout = cmp.Or(c.StatementTimeout, 30*time.Second)
	c.BusyTimeout = cmp.Or(max(c.BusyTimeout, 0), 5*time.Second)
	if c.PasswordCost <= 0 {
		c.PasswordCost = 12
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Store is one database. The zero value does not work; see Open.
type Store struct {
	cfg     Config
	dialect dialect
	// write and read are the same pool on Postgres. SQLite allows one writer at a time, and one connection that waits in Go
	// is cheaper than several that wait in SQLite's busy loop.
	write, read *sql.DB
	// migrate opens a pool for migrations, which must not be cut off by StatementTimeout. Nil: they use write.
	migrate func() *sql.DB
}

// Open checks the configuration and connects once. ErrUnavailable says that the database cannot be reached now, anything
// else that cfg is wrong. The schema is not looked at: see Migrate.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	s, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), s.Close())
	}
	return s, nil
}

// Close waits for running statements and closes all connections.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	return err
}

// Ping tells whether the database answers, for reading and for writing.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.write.PingContext(ctx); err != nil {
		return mapErr(ctx, err)
	}
	if s.read != s.write {
		return mapErr(ctx, s.read.PingContext(ctx))
	}
	return nil
}

// Dialect tells which database this is.
func (s *Store) Dialect() migrations.Dialect { return s.dialect.name }

// now is the clock's time with the precision that both databases keep, so that what is returned equals what is read back.
func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Migrate brings the schema up to date. Several nodes may do so at once on Postgres.
func (s *Store) Migrate(ctx context.Context) error {
	return s.withMigrationDB(ctx, "migrate", func(db *sql.DB) error {
		return migrations.Up(ctx, db, s.dialect.name, s.cfg.Log)
	})
}

// MigrateDown undoes the newest migration. It returns migrations.ErrNone when there is none.
func (s *Store) MigrateDown(ctx context.Context) error {
	return s.withMigrationDB(ctx, "roll back one migration", func(db *sql.DB) error {
		return migrations.Down(ctx, db, s.dialect.name, s.cfg.Log)
	})
}

// RollbackMigrationsAfter undoes every migration that was applied after t and returns how many.
func (s *Store) RollbackMigrationsAfter(ctx context.Context, t time.Time) (undone int, err error) {
	err = s.withMigrationDB(ctx, "roll back migrations", func(db *sql.DB) error {
		undone, err = migrations.RollbackAfter(ctx, db, s.dialect.name, s.cfg.Log, t)
		return err
	})
	return undone, err
}

// MigrationStatus lists all migrations by version.
func (s *Store) MigrationStatus(ctx context.Context) (all []migrations.Migration, err error) {
	err = s.withMigrationDB(ctx, "read migration status", func(db *sql.DB) error {
		all, err = migrations.Status(ctx, db, s.dialect.name, s.cfg.Log)
		return err
	})
	return all, err
}

func (s *Store) withMigrationDB(ctx context.Context, doing string, fn func(*sql.DB) error) (err error) {
	db := s.write
	if s.migrate != nil {
		db = s.migrate()
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	if err := fn(db); err != nil {
		return fmt.Errorf("%s: %w", doing, mapErr(ctx, err))
	}
	return nil
}
