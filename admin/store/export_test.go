package store

import (
	"context"
	"database/sql"
)

// WriteDB and ReadDB let tests look at what the exported calls do not show.
func (s *Store) WriteDB() *sql.DB { return s.write }
func (s *Store) ReadDB() *sql.DB  { return s.read }

// Waiting is the number of writes in the queue.
func (w *IdentityWriter) Waiting() int { return len(w.queue) }

// NewKey and InitialValue are pinned by tables.
var (
	NewKey       = newKey
	NewUUID      = newUUID
	InitialValue = initialValue
)

// CountDocumentQueries builds a document and returns how many statements that took.
func (s *Store) CountDocumentQueries(ctx context.Context, environmentID int64) (int, error) {
	q := &countingQuerier{querier: s.read}
	_, err := buildDocument(ctx, q, environmentID)
	return q.n, err
}

type countingQuerier struct {
	querier
	n int
}

func (q *countingQuerier) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	q.n++
	return q.querier.QueryContext(ctx, query, args...)
}

func (q *countingQuerier) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	q.n++
	return q.querier.QueryRowContext(ctx, query, args...)
}
