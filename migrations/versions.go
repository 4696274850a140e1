package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/database"
)

// versions is the table of applied migrations. It replaces goose's own store because that one lets the database stamp the
// rows: to the second in SQLite, and in the server's time zone without saying so in Postgres. RollbackAfter compares the
// stamps, so they are written from here, as text that both databases hold alike.
type versions struct {
	database.Store // goose's, for the statements that do not differ
	dialect        Dialect
}

const versionTable = "flagstaff_migrations"

// stampLayout has a fixed width, so that stamps also sort as text.
const stampLayout = "2006-01-02T15:04:05.000000Z"

func newVersions(dialect Dialect) versions {
	name := database.DialectPostgres
	if dialect == SQLite {
		name = database.DialectSQLite3
	}
	s, err := database.NewStore(name, versionTable)
	if err != nil {
		panic("BUG: " + err.Error()) // both arguments are constants
	}
	return versions{Store: s, dialect: dialect}
}

const createVersions = `
	CREATE TABLE ` + versionTable + ` (
		id         %s,
		version_id BIGINT NOT NULL UNIQUE,
		is_applied BOOLEAN NOT NULL,
		tstamp     TEXT NOT NULL
	)`

func (v versions) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	id := "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	if v.dialect == SQLite {
		id = "INTEGER PRIMARY KEY AUTOINCREMENT"
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf(createVersions, id))
	return err
}

const insertVersion = `
	INSERT INTO ` + versionTable + ` (version_id, is_applied, tstamp)
	VALUES ($1, TRUE, $2)`

func (v versions) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	_, err := db.ExecContext(ctx, insertVersion, req.Version, time.Now().UTC().Format(stampLayout))
	return err
}

const selectVersion = `
	SELECT is_applied, tstamp
	FROM ` + versionTable + `
	WHERE version_id = $1`

func (v versions) GetMigration(
	ctx context.Context, db database.DBTxConn, version int64,
) (*database.GetMigrationResult, error) {
	var (
		res   database.GetMigrationResult
		stamp string
	)
	err := db.QueryRowContext(ctx, selectVersion, version).Scan(&res.IsApplied, &stamp)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("migration %d: %w", version, database.ErrVersionNotFound)
	}
	if err != nil {
		return nil, err
	}
	if res.Timestamp, err = time.Parse(stampLayout, stamp); err != nil {
		return nil, fmt.Errorf("stamp of migration %d: %w", version, err)
	}
	return &res, nil
}

// TableExists makes goose ask instead of trying a query that fails, and so leaves an error in Postgres's log at every first
// start.
func (v versions) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	query := `SELECT to_regclass($1) IS NOT NULL`
	if v.dialect == SQLite {
		query = `SELECT COUNT(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = $1`
	}
	var exists bool
	err := db.QueryRowContext(ctx, query, versionTable).Scan(&exists)
	return exists, err
}
