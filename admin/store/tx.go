package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Change says that the document of an environment changed.
type Change struct {
	EnvironmentID int64
	Version       int64     // the document's new version
	UpdatedAt     time.Time // strictly later than before
}

// tx is a transaction of a mutation.
type tx struct {
	*sql.Tx
	dialect dialect
	now     time.Time // the date of every row it writes
	touched map[int64]struct{}
}

// maxAttempts bounds how often a transaction is run that the database keeps giving up in favour of others.
const maxAttempts = 5

// inTx runs fn in a transaction on the writing side and commits unless fn fails. When the database gave the transaction up
// for another one, fn runs again from the start, so it must not keep anything from a failed run.
func (s *Store) inTx(ctx context.Context, fn func(*tx) error) error {
	var err error
	for range maxAttempts {
		if err = s.inTxOnce(ctx, fn); !errors.Is(err, errRetry) {
			return err
		}
		s.cfg.Log.Debug("transaction given up by the database, running it again", "err", err)
	}
	return fmt.Errorf("%w: %d transactions in a row: %w", ErrUnavailable, maxAttempts, err)
}

func (s *Store) inTxOnce(ctx context.Context, fn func(*tx) error) error {
	sqlTx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return mapErr(ctx, err)
	}
	// After a commit this does nothing; before one, its error would only repeat why the transaction failed.
	defer func() { _ = sqlTx.Rollback() }()
	if err := fn(&tx{Tx: sqlTx, dialect: s.dialect, now: s.now(), touched: map[int64]struct{}{}}); err != nil {
		return mapErr(ctx, err)
	}
	return mapErr(ctx, sqlTx.Commit())
}

// mutate is inTx for what changes documents: every environment that fn touches gets its next version.
func (s *Store) mutate(ctx context.Context, fn func(*tx) error) ([]Change, error) {
	var changes []Change
	err := s.inTx(ctx, func(t *tx) (err error) {
		if err = fn(t); err != nil {
			return err
		}
		changes, err = t.bump(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// inSnapshot runs fn in a read-only transaction that sees one state of the database throughout.
func (s *Store) inSnapshot(ctx context.Context, fn func(*sql.Tx) error) error {
	sqlTx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return mapErr(ctx, err)
	}
	defer func() { _ = sqlTx.Rollback() }() // nothing was written
	return mapErr(ctx, fn(sqlTx))
}

func (t *tx) touch(environmentIDs ...int64) {
	for _, id := range environmentIDs {
		t.touched[id] = struct{}{}
	}
}

const lockProject = `
	SELECT id
	FROM projects
	WHERE id = $1
	`

// lockProject makes the mutations of one project come one after another. Without it a feature and an environment created
// at the same time would not see each other, and the feature would have no state there. Locks are taken from the top down:
// organisation, project, environments.
func (t *tx) lockProject(ctx context.Context, projectID int64) error {
	err := t.QueryRowContext(ctx, lockProject+t.dialect.forUpdate, projectID).Scan(&projectID)
	if err != nil {
		return fmt.Errorf("project %d: %w", projectID, mapErr(ctx, err))
	}
	return nil
}

const selectProjectEnvironments = `
	SELECT id
	FROM environments
	WHERE project_id = $1
	ORDER BY id` // no LIMIT: all of them must change

// touchProject touches all environments of a project and returns their ids. The project is locked before they are listed: one
// that is just being created must be among them, or see the change.
func (t *tx) touchProject(ctx context.Context, projectID int64) ([]int64, error) {
	if err := t.lockProject(ctx, projectID); err != nil {
		return nil, err
	}
	ids, err := queryIDs(ctx, t, selectProjectEnvironments, projectID)
	if err != nil {
		return nil, fmt.Errorf("environments of project %d: %w", projectID, mapErr(ctx, err))
	}
	t.touch(ids...)
	return ids, nil
}

const (
	lockEnvironments = `
	SELECT id
	FROM environments
	WHERE id IN (SELECT id FROM w)
	ORDER BY id -- one order for everyone, so that no two transactions wait for each other
	`
	bumpEnvironments = `
	UPDATE environments
	SET version = version + 1, updated_at = %s -- clocks may step back, the document's date must not
	WHERE id IN (SELECT id FROM w)
	RETURNING id, version, updated_at`
)

// bump gives every touched environment its next version and date.
func (t *tx) bump(ctx context.Context) ([]Change, error) {
	set := newRowSet(column{"id", "bigint"})
	for id := range t.touched {
		set.add(id)
	}
	var changes []Change
	err := set.chunks(func(set *rowSet) error {
		with, args := t.dialect.with(set)
		if _, err := queryIDs(ctx, t, with+lockEnvironments+t.dialect.forUpdate, args...); err != nil {
			return err
		}
		later := t.dialect.later(fmt.Sprintf("$%d", len(args)+1), "updated_at")
		rows, err := t.QueryContext(ctx, with+fmt.Sprintf(bumpEnvironments, later), append(args, t.now)...)
		if err != nil {
			return err
		}
		return scanAll(rows, func() error {
			var c Change
			if err := rows.Scan(&c.EnvironmentID, &c.Version, moment{&c.UpdatedAt}); err != nil {
				return err
			}
			changes = append(changes, c)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("next document versions: %w", err)
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.EnvironmentID, b.EnvironmentID) })
	return changes, nil
}

// querier is what *sql.DB and *sql.Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanAll calls fn for each row and closes rows.
func scanAll(rows *sql.Rows, fn func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := fn(); err != nil {
			return err
		}
	}
	return rows.Err()
}

func queryIDs(ctx context.Context, q querier, query string, args ...any) ([]int64, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var ids []int64
	err = scanAll(rows, func() error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// execOne runs a statement that must change one row, and returns ErrNotFound when there was none.
func execOne(ctx context.Context, q querier, query string, args ...any) error {
	res, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return mapErr(ctx, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	return nil
}
