package store_test

import (
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func TestPostgresGoesAwayMidBatch(t *testing.T) {
	for _, tt := range []struct {
		name       string
		fault      fault // noFault: the line is cut while the batch waits for a row
		wantStored int64
	}{
		{name: "line cut in the middle", fault: noFault, wantStored: 1},
		{name: "COMMIT lost on the way", fault: dropRequest, wantStored: 1},
		{name: "COMMIT applied, reply lost", fault: dropReply, wantStored: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			direct := storetest.PostgresURL(t)
			near := storetest.Open(t, store.Config{URL: direct})
			env := newEnvironment(t, near)
			line, url := newRelay(t, direct)
			st := storetest.Open(t, store.Config{URL: url})
			w := startWriter(t, st, store.WriterConfig{})
			increment := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1}}
			_, err := w.Write(t.Context(), increment)
			require.NoError(t, err)

			var holder *sql.Tx
			if tt.fault == noFault {
				holder = lockRow(t, near, "identities", "identifier = 'ann'")
			} else {
				line.onCommit.Store(int32(tt.fault))
			}
			result := make(chan error, 1)
			go func() {
				_, err := w.Write(t.Context(), increment)
				result <- err
			}()
			if tt.fault == noFault {
				waitForLockWaiters(t, near, 1)
				line.cut()
			}
			require.ErrorIs(t, <-result, store.ErrUnavailable)
			if tt.fault == noFault {
				for range 3 { // while it is away: at once, and again and again
					_, err = w.Write(t.Context(), increment)
					require.ErrorIs(t, err, store.ErrUnavailable)
				}
				require.NoError(t, holder.Rollback())
				line.restore()
			}
			id, err := near.Identity(t.Context(), env, "ann")
			require.NoError(t, err)
			require.Equal(t, flagsmith.IntValue(tt.wantStored), id.Traits[0].Value)

			res, err := w.Write(t.Context(), increment)
			require.NoError(t, err, "it recovers by itself")
			require.Equal(t, tt.wantStored+1, res.Value)
		})
	}
}

func TestReadsWhilePostgresIsAway(t *testing.T) {
	line, url := newRelay(t, storetest.PostgresURL(t))
	st := storetest.Open(t, store.Config{URL: url})
	env := newEnvironment(t, st)
	reads := map[string]func() error{
		"ping":     func() error { return st.Ping(t.Context()) },
		"key":      func() error { _, err := st.LookupKey(t.Context(), "k"); return err },
		"document": func() error { _, err := st.BuildDocument(t.Context(), env); return err },
		"version":  func() error { _, err := st.DocumentVersion(t.Context(), env); return err },
		"ids":      func() error { _, err := st.EnvironmentIDs(t.Context()); return err },
		"identity": func() error { _, err := st.Identity(t.Context(), env, "ann"); return err },
		"password": func() error { _, err := st.CheckPassword(t.Context(), "a@b", "c"); return err },
		"token":    func() error { _, err := st.UserByToken(t.Context(), "t"); return err },
		"mutation": func() error {
			_, err := st.UpdateEnvironment(t.Context(), env, store.EnvironmentSettings{})
			return err
		},
		"evaluations": func() error {
			return st.AddFeatureEvaluations(t.Context(), []store.FeatureEvaluation{{EnvironmentID: env, Feature: "f", Count: 1}})
		},
		"bootstrap": func() error { _, err := st.Bootstrap(t.Context(), store.BootstrapParams{}); return err },
		"migrate":   func() error { return st.Migrate(t.Context()) },
	}
	line.cut()
	for name, read := range reads {
		require.ErrorIs(t, read(), store.ErrUnavailable, name)
	}
	line.restore()
	for name, read := range reads {
		require.NotErrorIs(t, read(), store.ErrUnavailable, name)
	}
}

func TestBatchThatTakesTooLong(t *testing.T) {
	st := storetest.Postgres(t)
	env := newEnvironment(t, st)
	w := startWriter(t, st, store.WriterConfig{TxTimeout: 100 * time.Millisecond})
	p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1}}
	_, err := w.Write(t.Context(), p)
	require.NoError(t, err)
	holder := lockRow(t, st, "identities", "identifier = 'ann'")
	_, err = w.Write(t.Context(), p)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NoError(t, holder.Rollback())
	res, err := w.Write(t.Context(), p)
	require.NoError(t, err)
	require.EqualValues(t, 2, res.Value)
}

// Another process holds SQLite's write lock for longer than we wait. Readers do not care.
func TestSQLiteLockedByAnotherProcess(t *testing.T) {
	url := storetest.SQLiteURL(t)
	other := storetest.Open(t, store.Config{URL: url})
	env := newEnvironment(t, other)
	st := storetest.Open(t, store.Config{URL: url, BusyTimeout: 20 * time.Millisecond})
	w := startWriter(t, st, store.WriterConfig{})
	p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "n", By: 1}}

	holder, err := other.WriteDB().BeginTx(t.Context(), nil) // IMMEDIATE
	require.NoError(t, err)
	defer holder.Rollback()
	_, err = w.Write(t.Context(), p)
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = st.UpdateEnvironment(t.Context(), env, store.EnvironmentSettings{})
	require.ErrorIs(t, err, store.ErrUnavailable)
	document(t, st, env)

	require.NoError(t, holder.Rollback())
	res, err := w.Write(t.Context(), p)
	require.NoError(t, err)
	require.EqualValues(t, 1, res.Value)
}

// A deadlock with somebody else's transaction costs us the transaction; it is run again and the caller does not notice.
func TestTransactionIsRunAgainAfterDeadlock(t *testing.T) {
	st := storetest.Postgres(t)
	project := newProject(t, st)
	first, second := addEnvironment(t, st, project, "A"), addEnvironment(t, st, project, "B")
	for attempt := range 10 {
		if deadlocked(t, st, project, attempt%2 == 0, first, second) {
			return
		}
	}
	t.Fatal("Postgres gave up somebody else's transaction every time")
}

// deadlocked makes a deadlock and tells whether ours was the transaction that was given up. Postgres gives up the one that looks
// first: ours, which has waited longer, unless the machine is so busy that the other is late.
func deadlocked(t *testing.T, st *store.Store, project int64, hide bool, first, second int64) bool {
	t.Helper()
	holder := lockRow(t, st, "environments", "id = "+strconv.FormatInt(second, 10))
	result := make(chan []store.Change, 1)
	go func() { // locks the first, waits for the second
		changes, err := st.UpdateProject(t.Context(), project, store.ProjectSettings{HideDisabledFlags: &hide})
		if err != nil {
			t.Error(err)
		}
		result <- changes
	}()
	waitForLockWaiters(t, st, 1)
	_, err := holder.ExecContext(t.Context(), "UPDATE environments SET name = 'C' WHERE id = $1", first)
	if err != nil {
		require.ErrorContains(t, err, "40P01")
		_ = holder.Rollback() // it is aborted already
		requireChanged(t, st, <-result, first, second)
		return false
	}
	require.NoError(t, holder.Commit())
	requireChanged(t, st, <-result, first, second)
	require.Equal(t, "C", document(t, st, first).Name)
	return true
}

// An environment that is created while something above it changes must show the change, or get a next version for it: one
// version must not stand for two contents.
func TestEnvironmentCreatedDuringAChange(t *testing.T) {
	for name, change := range map[string]func(*store.Store, int64, int64, int64) error{
		"organisation": func(st *store.Store, org, _, _ int64) error {
			_, err := st.UpdateOrganisation(t.Context(), org, store.OrganisationSettings{StopServingFlags: new(true)})
			return err
		},
		"project": func(st *store.Store, _, project, _ int64) error {
			_, err := st.UpdateProject(t.Context(), project, store.ProjectSettings{HideDisabledFlags: new(true)})
			return err
		},
		"feature": func(st *store.Store, _, _, feature int64) error {
			_, err := st.UpdateFeature(t.Context(), feature, store.FeatureSettings{ServerKeyOnly: new(true)})
			return err
		},
		"new feature": func(st *store.Store, _, project, _ int64) error {
			_, _, err := st.CreateFeature(t.Context(), store.NewFeature{ProjectID: project, Name: "g"})
			return err
		},
		"new segment": func(st *store.Store, _, project, _ int64) error {
			_, _, err := st.CreateSegment(t.Context(), store.NewSegment{ProjectID: project, Name: "s"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := storetest.Postgres(t)
			org, err := st.CreateOrganisation(t.Context(), store.NewOrganisation{Name: "Acme"})
			require.NoError(t, err)
			project, err := st.CreateProject(t.Context(), store.NewProject{OrganisationID: org, Name: "Shop"})
			require.NoError(t, err)
			addEnvironment(t, st, project, "A")
			feature := addFeature(t, st, store.NewFeature{ProjectID: project, Name: "f"}).ID

			holder := lockRow(t, st, "environments", "name = 'A'") // the change stops here, after listing the environments
			changed := make(chan error, 1)
			go func() { changed <- change(st, org, project, feature) }()
			waitForLockWaiters(t, st, 1)
			created := make(chan *flagsmith.Document, 1)
			go func() {
				env, _, err := st.CreateEnvironment(t.Context(), store.NewEnvironment{ProjectID: project, Name: "B"})
				if err != nil {
					t.Error(err)
				}
				doc, err := st.BuildDocument(t.Context(), env.ID)
				if err != nil {
					t.Error(err)
				}
				created <- doc
			}()
			waitForLockWaiters(t, st, 2)
			require.NoError(t, holder.Rollback())
			require.NoError(t, <-changed)
			before := <-created
			if after := document(t, st, before.ID); after.Version == before.Version {
				require.Equal(t, before, after)
			}
		})
	}
}

// lockRow returns a transaction that holds a row until its end.
func lockRow(t *testing.T, st *store.Store, table, condition string) *sql.Tx {
	t.Helper()
	holder, err := st.WriteDB().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = holder.Rollback() })
	_, err = holder.ExecContext(t.Context(), "SELECT 1 FROM "+table+" WHERE "+condition+" FOR UPDATE")
	require.NoError(t, err)
	return holder
}

// waitForLockWaiters waits until that many sessions in this database wait for another one.
func waitForLockWaiters(t *testing.T, st *store.Store, want int) {
	t.Helper()
	const waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	require.Eventually(t, func() bool {
		var n int
		return st.WriteDB().QueryRowContext(t.Context(), waiting).Scan(&n) == nil && n >= want
	}, 10*time.Second, 5*time.Millisecond)
}
