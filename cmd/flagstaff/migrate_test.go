package main_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

// migration is a line of migrate status.
type migration struct {
	version int
	name    string
	applied string // "no", or the moment
}

// migrate runs a migrate command that must succeed and returns what it prints.
func migrate(t testing.TB, databaseURL string, args ...string) string {
	t.Helper()
	r := run(t, vars{"DATABASE_URL": databaseURL}, append([]string{"migrate"}, args...)...)
	require.Zero(t, r.code, r.stderr)
	return r.stdout
}

func migrationStatus(t testing.TB, databaseURL string) []migration {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(migrate(t, databaseURL, "status"), "\n"), "\n")
	require.Equal(t, []string{"VERSION", "NAME", "APPLIED"}, strings.Fields(lines[0]))
	var all []migration
	for _, line := range lines[1:] {
		c := strings.Fields(line)
		require.Len(t, c, 3, line)
		version, err := strconv.Atoi(c[0])
		require.NoError(t, err)
		all = append(all, migration{version, c[1], c[2]})
	}
	return all
}

// requireApplied checks that the first n migrations are applied and the others are not.
func requireApplied(t testing.TB, databaseURL string, n int) []migration {
	t.Helper()
	all := migrationStatus(t, databaseURL)
	for i, m := range all {
		require.Equal(t, i+1, m.version)
		if i >= n {
			require.Equal(t, "no", m.applied, m.name)
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m.applied)
		require.NoError(t, err, m.name)
		require.WithinDuration(t, time.Now(), at, time.Minute)
	}
	return all
}

func TestMigrateUpAndDown(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		total := len(requireApplied(t, databaseURL, 0))
		require.GreaterOrEqual(t, total, 5)
		require.Empty(t, migrate(t, databaseURL, "up"))
		up := requireApplied(t, databaseURL, total)
		migrate(t, databaseURL, "up")
		require.Equal(t, up, migrationStatus(t, databaseURL), "the second time there is nothing to do")
		for left := total - 1; left >= 0; left-- {
			migrate(t, databaseURL, "down")
			requireApplied(t, databaseURL, left)
		}
		require.Equal(t, "No migration is applied.\n", migrate(t, databaseURL, "down"))
	})
}

func TestRollbackAfter(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		seed(t, databaseURL)
		all := migrationStatus(t, databaseURL)
		total := len(all)
		require.Equal(t, "Migrations undone: 0\n", migrate(t, databaseURL, "rollback-after", time.Now().UTC().Format(time.RFC3339Nano)))
		requireApplied(t, databaseURL, total)

		// A moment that status shows is the one after which it undoes.
		last := all[2].applied
		require.Equal(t, "Migrations undone: "+strconv.Itoa(total-3)+"\n", migrate(t, databaseURL, "rollback-after", last))
		require.Equal(t, all[:3], requireApplied(t, databaseURL, 3)[:3])

		// The server brings back the schema, and does not fill again what is not empty.
		n := serve(t, vars{"DATABASE_URL": databaseURL})
		c := n.client()
		c.get("/health/readiness/", "").ok(t)
		c.get("/api/v1/flags/", clientKey).ok(t)
		c.get("/api/v1/environment-document/", serverKey).ok(t)
		c.post("/api/v1/identities/", clientKey, annIsPremium).ok(t)
		require.Zero(t, terminated(n))
		require.Empty(t, n.stdout.String())
		requireApplied(t, databaseURL, total)

		// Without a time zone it is UTC. Everything goes, and the server begins with an empty database.
		yesterday := time.Now().UTC().AddDate(0, 0, -1)
		require.Equal(t, "Migrations undone: "+strconv.Itoa(total)+"\n", migrate(t, databaseURL, "rollback-after", yesterday.Format(time.DateTime)))
		requireApplied(t, databaseURL, 0)
		n = serve(t, vars{"DATABASE_URL": databaseURL}, "--no-bootstrap")
		require.Equal(t, http.StatusForbidden, n.client().get("/api/v1/flags/", clientKey).status)
		requireApplied(t, databaseURL, total)
	})
}

// TestRollbackAfterReadsMoments in all the ways that people write them.
func TestRollbackAfterReadsMoments(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.SQLiteURL(t)
	migrate(t, databaseURL, "up")
	for _, moment := range []string{
		"2100-11-20T11:24:00Z", "2100-11-20T11:24:00.123456Z", "2100-11-20T12:24:00+01:00", "2100-11-20T11:24:00",
		"2100-11-20 11:24:00", "2100-11-20 11:24:00.5", "2100-11-20 11:24", "2100-11-20",
	} {
		require.Equal(t, "Migrations undone: 0\n", migrate(t, databaseURL, "rollback-after", moment), moment)
	}
	for _, moment := range []string{"", "now", "20.11.2100", "11:24"} {
		r := run(t, vars{"DATABASE_URL": databaseURL}, "migrate", "rollback-after", moment)
		require.Equal(t, 2, r.code, moment)
	}
}

// TestMigrateSaysWhatItDoes logs on standard error, at the level it is told.
func TestMigrateSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	databaseURL := storetest.SQLiteURL(t)
	r := run(t, vars{"DATABASE_URL": databaseURL}, "migrate", "up", "--log-format=json")
	require.Zero(t, r.code)
	require.Empty(t, r.stdout)
	for line := range strings.Lines(r.stderr) {
		decoded[map[string]any](t, line)
	}
}
