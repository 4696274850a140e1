package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/flagstaff-io/flagstaff/admin/store"
)

// The bounds of one attempt to connect: the last one does not outlast DatabaseWait by more than a moment.
const (
	minConnectTimeout = 100 * time.Millisecond
	maxConnectTimeout = 5 * time.Second
)

// databaseFile is the embedded database's name in the data directory.
const databaseFile = "flagstaff.db"

// open connects to the database, trying for DatabaseWait: in a cluster it often starts together with its clients.
func (d *databaseSettings) open(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	cfg := store.Config{URL: string(d.DatabaseURL), MaxConns: d.DatabaseMaxConns, Log: log}
	if cfg.URL == "" {
		if err := os.MkdirAll(d.DataDir, 0o700); err != nil {
			return nil, coded{fmt.Errorf("data directory (--data-dir): %w", err), exitDatabase}
		}
		cfg.URL = filepath.Join(d.DataDir, databaseFile)
	}
	deadline := time.Now().Add(time.Duration(d.DatabaseWait))
	wait := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		if left := time.Until(deadline); d.DatabaseWait > 0 {
			cfg.ConnectTimeout = min(max(left, minConnectTimeout), maxConnectTimeout)
		}
		st, err := store.Open(ctx, cfg)
		switch {
		case err == nil:
			if attempt > 1 {
				log.Info("database is reachable", "attempt", attempt)
			}
			return st, nil
		case ctx.Err() != nil:
			return nil, coded{fmt.Errorf("stopped while the database was awaited: %w", ctx.Err()), exitDatabase}
		case !errors.Is(err, store.ErrUnavailable) || !time.Now().Before(deadline):
			return nil, coded{fmt.Errorf("%w (set by --database-url or --data-dir)", err), exitDatabase}
		case attempt == 1:
			log.Warn("database is not reachable, trying on", "err", err, "until", deadline)
		}
		timer := time.NewTimer(min(wait/2+rand.N(wait), time.Until(deadline)))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, 2*time.Second)
	}
}

// openMigrated opens the database and brings its schema up to date.
func (d *databaseSettings) openMigrated(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	st, err := d.open(ctx, log)
	if err != nil {
		return nil, err
	}
	if err := st.Migrate(ctx); err != nil {
		return nil, errors.Join(coded{err, exitDatabase}, st.Close())
	}
	return st, nil
}
