package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flagstaff-io/flagstaff/migrations"
)

// dialect is all that differs between the databases in statements that are otherwise one text.
type dialect struct {
	name migrations.Dialect
	// forUpdate ends a SELECT whose rows the transaction is going to change. SQLite has one writer and needs no row locks. NO
	// KEY, so that rows pointing to the locked ones can still be inserted.
	forUpdate string
	// forShare ends a SELECT whose rows must stay as they are until the transaction ends.
	forShare string
	// later(a, b) is the SQL for the later of the moment a and one microsecond after the moment b.
	later func(a, b string) string
	// traitsOfW joins w(id) to the traits t of these identities, row by row through the index. Postgres has to be forbidden
	// (OFFSET 0) to flatten the subquery: of a table that was never analysed it believes that each identity has a thousand
	// traits, and reads all of it for each batch.
	traitsOfW string
}

var postgresDialect = dialect{
	name:      migrations.Postgres,
	forUpdate: "FOR NO KEY UPDATE",
	forShare:  "FOR SHARE",
	traitsOfW: "w CROSS JOIN LATERAL (SELECT * FROM traits WHERE identity_id = w.id OFFSET 0) t",
	later: func(a, b string) string {
		return "GREATEST(" + a + "::timestamptz, " + b + " + INTERVAL '1 microsecond')"
	},
}

var sqliteDialect = dialect{
	name:      migrations.SQLite,
	traitsOfW: "w CROSS JOIN traits t ON t.identity_id = w.id",
	later:     func(a, b string) string { return "MAX(" + a + ", " + b + " + 1)" },
}

// rowSet is a table of values that a statement reads from, so that one round trip handles any number of rows. Rows are read
// in the order they were added.
type rowSet struct {
	columns []column
	values  []any // row by row
}

type column struct{ name, postgresType string }

// maxRows bounds the rows given to one statement: SQLite takes 32,766 parameters, and no set has over 10 columns.
const maxRows = 2000

func newRowSet(columns ...column) *rowSet { return &rowSet{columns: columns} }

func (r *rowSet) add(values ...any) {
	if len(values) != len(r.columns) {
		panic("BUG: row has " + strconv.Itoa(len(values)) + " values for " + strconv.Itoa(len(r.columns)) + " columns")
	}
	r.values = append(r.values, values...)
}

func (r *rowSet) len() int { return len(r.values) / len(r.columns) }

// chunks calls fn with sets of at most maxRows rows, and not at all for an empty set.
func (r *rowSet) chunks(fn func(*rowSet) error) error {
	step := maxRows * len(r.columns)
	for values := r.values; len(values) > 0; {
		n := min(step, len(values))
		if err := fn(&rowSet{columns: r.columns, values: values[:n]}); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// with renders "WITH w(columns) AS (rows)" and its arguments; a statement that follows numbers its own after them.
// On Postgres a column is one array, so that the text, and with it the prepared statement, does not depend on the number of
// rows. SQLite has no arrays and no round trips to save: there the values are listed.
func (d dialect) with(r *rowSet) (text string, args []any) {
	var b strings.Builder
	b.WriteString("WITH w(")
	for i, c := range r.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name)
	}
	b.WriteString(") AS (")
	if d.name == migrations.Postgres {
		args = r.appendUnnest(&b)
	} else {
		args = r.appendValues(&b)
	}
	b.WriteString(")\n")
	return b.String(), args
}

func (r *rowSet) appendUnnest(b *strings.Builder) []any {
	args := make([]any, len(r.columns))
	b.WriteString("SELECT * FROM unnest(")
	for i, c := range r.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1) + "::" + c.postgresType + "[]")
		values := make([]any, 0, r.len())
		for j := i; j < len(r.values); j += len(r.columns) {
			values = append(values, r.values[j])
		}
		args[i] = values
	}
	b.WriteString(")")
	return args
}

func (r *rowSet) appendValues(b *strings.Builder) []any {
	b.WriteString("VALUES ")
	for i := range r.values {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%len(r.columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("?") // not $1, $2, …: SQLite looks up each such name among all before it
	}
	b.WriteString(")")
	return r.values
}

// moment reads a moment from either database: Postgres gives a time, SQLite microseconds since 1970.
type moment struct{ t *time.Time }

// Scan implements sql.Scanner. NULL is the zero time.
func (m moment) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m.t = time.Time{}
	case time.Time:
		*m.t = v.UTC()
	case int64:
		*m.t = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("a moment is stored as %T", src)
	}
	return nil
}
