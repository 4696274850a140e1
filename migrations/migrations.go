// Package migrations holds the numbered SQL files that build the database, for Postgres and for SQLite, and applies them.
// The same number and name mean the same schema in both. A merged file is never edited; a change is a new file.
//
//	err := migrations.Up(ctx, db, migrations.Postgres, log)
//
// It knows nothing of what the tables mean.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// Dialect names the SQL that a database speaks, and the folder of its files.
type Dialect string

// The dialects there are files for.
const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// ErrNone says that there was no applied migration to undo.
var ErrNone = errors.New("no migration to roll back")

// Migration is one numbered file and what the database knows of it.
type Migration struct {
	Version int64
	Name    string // the file's name
	Applied bool
	// AppliedAt is when it was applied, in UTC to the microsecond. Zero unless Applied.
	AppliedAt time.Time
}

// Up applies every migration that the database lacks, oldest first, each in a transaction of its own. On Postgres it waits
// for another node that is migrating, so that any number may start at once; db must allow at least two connections there.
// What was applied before an error stays applied.
func Up(ctx context.Context, db *sql.DB, dialect Dialect, log *slog.Logger) error {
	return run(ctx, db, dialect, log, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// Down undoes the newest applied migration, with all data of the tables it made. It returns ErrNone when there is none.
func Down(ctx context.Context, db *sql.DB, dialect Dialect, log *slog.Logger) error {
	return run(ctx, db, dialect, log, func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return ErrNone
		}
		return err
	})
}

// RollbackAfter undoes every migration that was applied after t, newest first, and returns how many it undid. It is what
// Flagsmith calls rollbackmigrationsafter: t is the moment at which the release to go back to was deployed.
func RollbackAfter(ctx context.Context, db *sql.DB, dialect Dialect, log *slog.Logger, t time.Time) (int, error) {
	var undone int
	err := run(ctx, db, dialect, log, func(p *goose.Provider) error {
		all, err := status(ctx, p)
		if err != nil {
			return err
		}
		for i := len(all) - 1; i >= 0; i-- {
			if !all[i].Applied || !all[i].AppliedAt.After(t) {
				continue
			}
			if _, err := p.ApplyVersion(ctx, all[i].Version, false); err != nil {
				return err
			}
			undone++
		}
		return nil
	})
	return undone, err
}

// Status lists all migrations by version. It creates nothing but the table of versions.
func Status(ctx context.Context, db *sql.DB, dialect Dialect, log *slog.Logger) ([]Migration, error) {
	var all []Migration
	err := run(ctx, db, dialect, log, func(p *goose.Provider) (err error) {
		all, err = status(ctx, p)
		return err
	})
	return all, err
}

func status(ctx context.Context, p *goose.Provider) ([]Migration, error) {
	list, err := p.Status(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Migration, len(list))
	for i, m := range list {
		all[i] = Migration{Version: m.Source.Version, Name: path.Base(m.Source.Path)}
		if m.State == goose.StateApplied {
			all[i].Applied, all[i].AppliedAt = true, m.AppliedAt.UTC()
		}
	}
	return all, nil
}

// run calls fn with a provider while no other node can migrate the same database.
func run(ctx context.Context, db *sql.DB, dialect Dialect, log *slog.Logger, fn func(*goose.Provider) error) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	sub, err := fs.Sub(files, string(dialect))
	if err != nil {
		return fmt.Errorf("open migration files: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db, sub, goose.WithStore(newVersions(dialect)), goose.WithSlog(log),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migration files: %w", err)
	}
	unlock, err := lock(ctx, db, dialect)
	if err != nil {
		return fmt.Errorf("lock migrations: %w", err)
	}
	return errors.Join(fn(provider), unlock())
}

// lockID is any number that nothing else in the database takes advisory locks by.
const lockID = 7_316_204_115

// lock takes a session lock in Postgres. It is not goose's own locker, because that one asks every second at most, leaves
// the creation of its version table outside, and cannot span the several steps of RollbackAfter. SQLite needs none: its
// file belongs to one process.
func lock(ctx context.Context, db *sql.DB, dialect Dialect) (unlock func() error, err error) {
	if dialect != Postgres {
		return func() error { return nil }, nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(lockID)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() error {
		// ctx may have ended, and the connection must not go back to the pool with the lock.
		_, err := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(lockID))
		return errors.Join(err, conn.Close())
	}, nil
}
