package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/migrations"
)

type migrateCmd struct {
	Up            migrateUp            `cmd:"" help:"Apply every migration that the database lacks."`
	Down          migrateDown          `cmd:"" help:"Undo the newest migration, with the data of the tables it made."`
	Status        migrateStatus        `cmd:"" help:"List the migrations and when each was applied."`
	RollbackAfter migrateRollbackAfter `cmd:"" help:"Undo every migration that was applied after a moment: the one at which the release to go back to was deployed."`
}

// migrateSettings are what every migrate command takes.
type migrateSettings struct {
	databaseSettings `embed:""`
	logSettings      `embed:""`
}

// Validate reports every problem at once.
func (m *migrateSettings) Validate() error { return m.validate() }

// migration is what a migrate command works on.
type migration struct {
	ctx   context.Context
	store *store.Store
}

// with opens the database for fn.
func (m *migrateSettings) with(s streams, fn func(run migration) error) error {
	log := m.logger(s)
	ctx, stop := untilSignal(log)
	defer stop()
	st, err := m.open(ctx, log)
	if err != nil {
		return err
	}
	if err := fn(migration{ctx, st}); err != nil {
		return errors.Join(coded{err, exitDatabase}, st.Close())
	}
	return st.Close()
}

type migrateUp struct {
	migrateSettings `embed:""`
}

// Run applies what is missing.
func (c *migrateUp) Run(s streams) error {
	return c.with(s, func(m migration) error { return m.store.Migrate(m.ctx) })
}

type migrateDown struct {
	migrateSettings `embed:""`
}

// Run undoes one migration.
func (c *migrateDown) Run(s streams) error {
	return c.with(s, func(m migration) error {
		err := m.store.MigrateDown(m.ctx)
		if errors.Is(err, migrations.ErrNone) {
			fmt.Fprintln(s.out, "No migration is applied.")
			return nil
		}
		return err
	})
}

// appliedLayout shows the whole moment: rollback-after with one that was cut to the second would undo the migration that it
// was copied from.
const appliedLayout = "2006-01-02T15:04:05.000000Z07:00"

type migrateStatus struct {
	migrateSettings `embed:""`
}

// Run lists the migrations.
func (c *migrateStatus) Run(s streams) error {
	return c.with(s, func(m migration) error {
		all, err := m.store.MigrationStatus(m.ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "VERSION\tNAME\tAPPLIED")
		for _, one := range all {
			applied := "no"
			if !one.AppliedAt.IsZero() {
				applied = one.AppliedAt.UTC().Format(appliedLayout)
			}
			fmt.Fprintf(table, "%d\t%s\t%s\n", one.Version, one.Name, applied)
		}
		return table.Flush()
	})
}

type migrateRollbackAfter struct {
	migrateSettings `embed:""`

	Moment moment `arg:"" help:"2026-11-20T11:24:00Z, 2026-11-20T11:24:00 or \"2026-11-20 11:24:00\" (UTC)."`
}

// Run undoes what was applied after the moment.
func (c *migrateRollbackAfter) Run(s streams) error {
	return c.with(s, func(m migration) error {
		undone, err := m.store.RollbackMigrationsAfter(m.ctx, time.Time(c.Moment))
		if err == nil {
			fmt.Fprintf(s.out, "Migrations undone: %d\n", undone)
		}
		return err
	})
}

// moment is a point in time on the command line.
type moment time.Time

// UnmarshalText reads RFC 3339, or the same without zone, which is UTC.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			*m = moment(t)
			return nil
		}
	}
	return fmt.Errorf("%q is no date and time such as 2026-11-20T11:24:00Z", text)
}
