package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What callers branch on. Every error of this package that is not one of these, or a context's, is a defect.
var (
	// ErrNotFound says that the row asked for, or one that a new row must point to, does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a row with the same name or key exists.
	ErrConflict = errors.New("already exists")
	// ErrInvalid says that a value cannot be stored; the text says which and why.
	ErrInvalid = errors.New("invalid")
	// ErrUnavailable says that the database could not be reached or did not answer in time. Whether a write that was being
	// committed took place is then unknown.
	ErrUnavailable = errors.New("database unavailable")
)

// errRetry marks a transaction that the database gave up in favour of another one. It is known to have had no effect.
var errRetry = errors.New("transaction must be run again")

// mapErr turns a driver's error into one of ours and keeps it as the cause. Nil stays nil. If ctx has ended, that is the
// error, because the driver's says the same in other words.
func mapErr(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case isOurs(err):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	}
	var (
		pgErr     *pgconn.PgError
		sqliteErr *sqlite.Error
	)
	switch {
	case errors.As(err, &pgErr):
		return wrapClass(classOfSQLState(pgErr.Code), err)
	case errors.As(err, &sqliteErr):
		return wrapClass(classOfSQLite(sqliteErr.Code()), err)
	case isConnection(err):
		return wrapClass(ErrUnavailable, err)
	default:
		return err
	}
}

func isOurs(err error) bool {
	for _, ours := range []error{ErrNotFound, ErrConflict, ErrInvalid, ErrUnavailable, errRetry} {
		if errors.Is(err, ours) {
			return true
		}
	}
	return false
}

func wrapClass(class, err error) error {
	if class == nil {
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}

// classOfSQLState knows the codes of https://www.postgresql.org/docs/current/errcodes-appendix.html that can reach us.
func classOfSQLState(code string) error {
	switch code {
	case "23505": // unique_violation
		return ErrConflict
	case "23503": // foreign_key_violation
		return ErrNotFound
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return errRetry
	case "57014", "55P03": // query_canceled by statement_timeout, lock_not_available
		return ErrUnavailable
	case "25006": // read_only_sql_transaction: we reached a standby during a failover
		return ErrUnavailable
	}
	if len(code) < 2 {
		return nil
	}
	switch code[:2] {
	case "22", "23": // data_exception, any other constraint
		return ErrInvalid
	case "08", "53", "57", "58": // connection, resources, operator intervention (shutdown, starting up), system
		return ErrUnavailable
	}
	return nil
}

func classOfSQLite(code int) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return ErrConflict
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return ErrNotFound
	}
	switch code & 0xff { // the primary code, of which the others are refinements
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG:
		return ErrInvalid
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return ErrUnavailable
	}
	return nil
}

// isConnection tells whether err means that no answer came, rather than a bad one.
func isConnection(err error) bool {
	var (
		netErr     net.Error
		connectErr *pgconn.ConnectError
		errno      syscall.Errno
	)
	for _, known := range []error{driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &netErr) || errors.As(err, &connectErr) || errors.As(err, &errno) || pgconn.SafeToRetry(err)
}
