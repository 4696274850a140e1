package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

func open(cfg Config) (*Store, error) {
	scheme, rest, found := strings.Cut(cfg.URL, "://")
	switch {
	case cfg.URL == "":
		return nil, errors.New("database URL is empty")
	case !found:
		return openSQLite(cfg, cfg.URL)
	case scheme == "sqlite" || scheme == "sqlite3":
		return openSQLite(cfg, rest)
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(cfg)
	default:
		return nil, fmt.Errorf("database URL begins with %q, want postgres:// or sqlite://", scheme+"://")
	}
}

func openPostgres(cfg Config) (*Store, error) {
	conf, err := postgresConfig(cfg)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*conf, stdlib.OptionAfterConnect(useUTC))
	conns := cfg.MaxConns
	if conns <= 0 {
		conns = 10
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(max(cfg.MaxIdleTime, 0))
	// Old connections go, so that the load follows when servers behind one name come and go.
	db.SetConnMaxLifetime(30 * time.Minute)

	return &Store{cfg: cfg, dialect: postgresDialect, write: db, read: db, migrate: func() *sql.DB {
		slow := conf.Copy()
		delete(slow.RuntimeParams, "statement_timeout")
		db := stdlib.OpenDB(*slow, stdlib.OptionAfterConnect(useUTC))
		db.SetMaxOpenConns(2) // one holds the lock, one works
		return db
	}}, nil
}

func postgresConfig(cfg Config) (*pgx.ConnConfig, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("database URL is not a valid URL") // url's own error quotes it, with the password
	}
	conf, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("database URL: %s", redact(err.Error(), u))
	}
	if !u.Query().Has("connect_timeout") {
		conf.ConnectTimeout = cfg.ConnectTimeout
	}
	if _, ok := conf.RuntimeParams["statement_timeout"]; !ok && cfg.StatementTimeout > 0 {
		conf.RuntimeParams["statement_timeout"] = strconv.FormatInt(cfg.StatementTimeout.Milliseconds(), 10)
	}
	if conf.RuntimeParams["application_name"] == "" {
		conf.RuntimeParams["application_name"] = "flagstaff"
	}
	return conf, nil
}

// redact takes the password of u out of text, in every spelling it may have there.
func redact(text string, u *url.URL) string {
	secrets := []string{u.Query().Get("password")}
	if p, ok := u.User.Password(); ok {
		secrets = append(secrets, p)
		if _, escaped, ok := strings.Cut(u.User.String(), ":"); ok {
			secrets = append(secrets, escaped)
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "REDACTED")
		}
	}
	return text
}

// useUTC makes moments come back in UTC, whatever the machine's time zone is.
func useUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

func openSQLite(cfg Config, path string) (*Store, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("SQLite needs the path of a file: readers and the writer are different connections")
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	params := url.Values{
		"_busy_timeout": {strconv.FormatInt(cfg.BusyTimeout.Milliseconds(), 10)},
		"_foreign_keys": {"on"},
		// Readers do not wait for the writer, and a commit is one write and one fsync of the log.
		"_journal_mode": {"WAL"},
		// In WAL mode anything less may lose the last commits with the power, and they have been answered.
		"_synchronous": {"FULL"},
		// Moments are stored as the schema says.
		"_time_integer_format": {"unix_micro"},
		// A transaction that reads and then writes would otherwise fail when another process wrote in between.
		"_txlock": {"immediate"},
		// A misspelt column in double quotes is an error, not a text.
		"_dqs": {"false"},
	}
	base := "file:" + (&url.URL{Path: path}).EscapedPath() + "?"
	write, err := sql.Open("sqlite", base+params.Encode())
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)

	params.Del("_journal_mode") // a property of the file, which the writer has set
	params.Set("_query_only", "on")
	read, err := sql.Open("sqlite", base+params.Encode())
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	readers := cfg.MaxConns
	if readers <= 0 {
		readers = 4
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	read.SetConnMaxIdleTime(max(cfg.MaxIdleTime, 0))
	return &Store{cfg: cfg, dialect: sqliteDialect, write: write, read: read}, nil
}

// createPrivate creates the file unless it is there, readable by its owner alone: it holds keys and password hashes. SQLite
// gives its side files the same mode. An existing file is not even opened, because closing it would drop the locks that
// another Store of this process has on it.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}
