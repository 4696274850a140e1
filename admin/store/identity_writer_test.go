package store_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

func trait(key string, v flagsmith.Value) flagsmith.Trait { return flagsmith.Trait{Key: key, Value: v} }

// byKey drops the ids, which the databases choose.
func byKey(id flagsmith.Identity) map[string]flagsmith.Value {
	m := map[string]flagsmith.Value{}
	for _, t := range id.Traits {
		m[t.Key] = t.Value
	}
	return m
}

func TestIdentityWriter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		env := newEnvironment(t, st)
		w := startWriter(t, st, store.WriterConfig{})
		write := func(p store.IdentityWrite) store.IdentityResult {
			t.Helper()
			p.EnvironmentID, p.Identifier = env, "ann"
			res, err := w.Write(ctx, p)
			require.NoError(t, err)
			stored, err := st.Identity(ctx, env, "ann")
			require.NoError(t, err)
			require.Equal(t, stored, res.Identity, "what is answered is stored, ids and order included")
			return res
		}
		_, err := st.Identity(ctx, env, "ann")
		require.ErrorIs(t, err, store.ErrNotFound)

		res := write(store.IdentityWrite{Create: true, Set: []flagsmith.Trait{
			trait("plan", flagsmith.StringValue("basic")), trait("age", flagsmith.IntValue(37)), trait("score", flagsmith.FloatValue(0.1)),
			trait("one", flagsmith.FloatValue(1)), trait("beta", flagsmith.BoolValue(true)), trait("empty", flagsmith.StringValue("")),
			trait("large", flagsmith.IntValue(math.MaxInt64)), trait("tiny", flagsmith.FloatValue(math.SmallestNonzeroFloat64)),
			trait("precise", flagsmith.FloatValue(0.1+0.2)), trait("text", flagsmith.StringValue("héllo 世界 '\"\\ \n")),
		}})
		require.True(t, res.Created)
		require.Zero(t, res.Before.ID)
		require.EqualValues(t, 1, res.Identity.Version)
		keys := func(id flagsmith.Identity) (keys []string) {
			for _, t := range id.Traits {
				keys = append(keys, t.Key)
			}
			return keys
		}
		require.Equal(t, []string{"plan", "age", "score", "one", "beta", "empty", "large", "tiny", "precise", "text"}, keys(res.Identity))
		created := res.Identity

		res = write(store.IdentityWrite{Create: true, Set: []flagsmith.Trait{
			trait("plan", flagsmith.StringValue("premium")), trait("age", flagsmith.FloatValue(37)), // another type
			trait("new", flagsmith.StringValue("x")), trait("new", flagsmith.StringValue("y")), // the last counts
		}})
		require.False(t, res.Created)
		require.Equal(t, created, res.Before)
		require.EqualValues(t, 2, res.Identity.Version)
		require.Equal(t, flagsmith.StringValue("premium"), byKey(res.Identity)["plan"])
		require.Equal(t, flagsmith.FloatValue(37), byKey(res.Identity)["age"])
		require.Equal(t, flagsmith.StringValue("y"), byKey(res.Identity)["new"])
		require.Equal(t, created.Traits[0].ID, res.Identity.Traits[0].ID, "a changed trait keeps its row")

		res = write(store.IdentityWrite{Delete: []string{"score", "never there", "age"}, Set: []flagsmith.Trait{trait("age", flagsmith.IntValue(1))}})
		require.NotContains(t, byKey(res.Identity), "score")
		require.Equal(t, flagsmith.IntValue(1), byKey(res.Identity)["age"], "deletes come before sets")

		res = write(store.IdentityWrite{Replace: true, Set: []flagsmith.Trait{
			trait("plan", flagsmith.StringValue("premium")), trait("only", flagsmith.BoolValue(false)),
		}})
		require.Equal(t, map[string]flagsmith.Value{
			"plan": flagsmith.StringValue("premium"), "only": flagsmith.BoolValue(false),
		}, byKey(res.Identity))
		require.Equal(t, created.Traits[0].ID, res.Identity.Traits[0].ID)

		res = write(store.IdentityWrite{Increment: &store.Increment{Key: "logins", By: 2}})
		require.EqualValues(t, 2, res.Value)
		res = write(store.IdentityWrite{Increment: &store.Increment{Key: "logins", By: -5}})
		require.EqualValues(t, -3, res.Value)
		require.Equal(t, flagsmith.IntValue(-3), byKey(res.Identity)["logins"])

		res = write(store.IdentityWrite{Replace: true})
		require.Empty(t, res.Identity.Traits)
		require.EqualValues(t, 0, queryInt(t, st.ReadDB(), "SELECT COUNT(*) FROM traits"))

		_, err = w.Write(ctx, store.IdentityWrite{EnvironmentID: env, Identifier: "bob", Set: []flagsmith.Trait{trait("a", flagsmith.IntValue(1))}})
		require.ErrorIs(t, err, store.ErrNotFound)
		inc, err := w.Write(ctx, store.IdentityWrite{EnvironmentID: env, Identifier: "bob", Increment: &store.Increment{Key: "n"}})
		require.NoError(t, err)
		require.True(t, inc.Created)
		require.Equal(t, map[string]flagsmith.Value{"n": flagsmith.IntValue(0)}, byKey(inc.Identity))

		version, err := st.DocumentVersion(ctx, env)
		require.NoError(t, err)
		require.EqualValues(t, 1, version, "traits are no part of the document")
	})
}

func TestIncrementErrors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		env := newEnvironment(t, st)
		w := startWriter(t, st, store.WriterConfig{})
		res, err := w.Write(ctx, store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Create: true, Set: []flagsmith.Trait{
			trait("text", flagsmith.StringValue("1")), trait("float", flagsmith.FloatValue(1)), trait("bool", flagsmith.BoolValue(true)),
			trait("max", flagsmith.IntValue(math.MaxInt32)), trait("min", flagsmith.IntValue(math.MinInt32)),
			trait("large", flagsmith.IntValue(math.MaxInt64)),
		}})
		require.NoError(t, err)
		for _, tt := range []struct {
			key  string
			by   int64
			want error
		}{
			{"text", 1, store.ErrNotInteger},
			{"float", 1, store.ErrNotInteger},
			{"bool", 0, store.ErrNotInteger},
			{"max", 1, store.ErrOverflow},
			{"min", -1, store.ErrOverflow},
			{"large", 1, store.ErrOverflow},
			{"large", -1, store.ErrOverflow},
			{"new", math.MaxInt32 + 1, store.ErrOverflow},
			{"new", math.MinInt64, store.ErrOverflow},
			{"", 1, store.ErrInvalid},
		} {
			_, err := w.Write(ctx, store.IdentityWrite{
				EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: tt.key, By: tt.by},
				Set: []flagsmith.Trait{trait("set with it", flagsmith.IntValue(1))}, Delete: []string{"max"}[:0],
			})
			require.ErrorIs(t, err, tt.want, "%s %+d", tt.key, tt.by)
		}
		stored, err := st.Identity(ctx, env, "ann")
		require.NoError(t, err)
		require.Equal(t, res.Identity, stored, "a failed write leaves nothing behind, not even the part that was good")
		_, err = w.Write(ctx, store.IdentityWrite{
			EnvironmentID: env, Identifier: "bob", Create: true, Set: []flagsmith.Trait{trait("n", flagsmith.StringValue("x"))},
			Increment: &store.Increment{Key: "n", By: 1},
		})
		require.ErrorIs(t, err, store.ErrNotInteger)
		_, err = st.Identity(ctx, env, "bob")
		require.ErrorIs(t, err, store.ErrNotFound, "a failed write creates nobody")
		for key, by := range map[string]int64{"max": -1, "min": 1} {
			_, err := w.Write(ctx, store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: key, By: by}})
			require.NoError(t, err)
		}
	})
}

func TestInvalidWrites(t *testing.T) {
	st := storetest.SQLite(t)
	w := store.NewIdentityWriter(st, store.WriterConfig{}) // does not run: these fail before they are queued
	for name, p := range map[string]store.IdentityWrite{
		"no identifier":         {},
		"long identifier":       {Identifier: strings.Repeat("é", 2001)},
		"identifier with NUL":   {Identifier: "a\x00"},
		"identifier not UTF-8":  {Identifier: "\xff"},
		"no key":                {Identifier: "a", Set: []flagsmith.Trait{trait("", flagsmith.IntValue(1))}},
		"long key":              {Identifier: "a", Set: []flagsmith.Trait{trait(strings.Repeat("é", 201), flagsmith.IntValue(1))}},
		"long text":             {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.StringValue(strings.Repeat("é", 2001)))}},
		"text with NUL":         {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.StringValue("\x00"))}},
		"null":                  {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.Value{})}},
		"more than 64 bits":     {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.BigIntValue("99999999999999999999"))}},
		"not a number":          {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.FloatValue(math.NaN()))}},
		"infinity":              {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.FloatValue(math.Inf(-1)))}},
		"the second one is bad": {Identifier: "a", Set: []flagsmith.Trait{trait("k", flagsmith.IntValue(1)), trait("", flagsmith.IntValue(1))}},
	} {
		_, err := w.Write(t.Context(), p)
		require.ErrorIs(t, err, store.ErrInvalid, name)
	}
}

// Deleting accepts whatever key there may be: what cannot be stored is not stored.
func TestDeleteOfImpossibleKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := startWriter(t, st, store.WriterConfig{})
		_, err := w.Write(t.Context(), store.IdentityWrite{
			EnvironmentID: newEnvironment(t, st), Identifier: "ann", Create: true, Delete: []string{"", "\x00", "\xff", strings.Repeat("x", 300)},
		})
		require.NoError(t, err)
	})
}

// A write that changes nothing must not touch the database: neither rows nor, on SQLite, the file.
func TestUnchangedWriteWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		env := newEnvironment(t, st)
		w := startWriter(t, st, store.WriterConfig{})
		p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Create: true, Set: []flagsmith.Trait{
			trait("s", flagsmith.StringValue("x")), trait("i", flagsmith.IntValue(1)), trait("f", flagsmith.FloatValue(math.Copysign(0, -1))),
			trait("b", flagsmith.BoolValue(false)),
		}}
		first, err := w.Write(ctx, p)
		require.NoError(t, err)
		state := func() string {
			if st.Dialect() == "sqlite" {
				// Changes when another connection has committed something.
				conn, err := st.ReadDB().Conn(ctx)
				require.NoError(t, err)
				defer conn.Close()
				var n int64
				require.NoError(t, conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&n))
				return fmt.Sprint(n)
			}
			var s string // the transaction that wrote each row, and where it is
			require.NoError(t, st.ReadDB().QueryRowContext(ctx, `
				SELECT string_agg(v, ' ' ORDER BY v)
				FROM (SELECT xmin || '/' || ctid FROM identities UNION ALL SELECT xmin || '/' || ctid FROM traits) AS t(v)`).Scan(&s))
			return s
		}
		before := state()
		require.Equal(t, before, state())
		for name, p := range map[string]store.IdentityWrite{
			"the same":               p,
			"the same, replacing":    {EnvironmentID: env, Identifier: "ann", Replace: true, Set: p.Set},
			"nothing":                {EnvironmentID: env, Identifier: "ann", Create: true},
			"delete of what is not":  {EnvironmentID: env, Identifier: "ann", Delete: []string{"x"}},
			"increment by nothing":   {EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "i"}},
			"failed":                 {EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "s", By: 1}},
			"of nobody":              {EnvironmentID: env, Identifier: "bob", Set: p.Set},
			"set to what it was set": {EnvironmentID: env, Identifier: "ann", Set: []flagsmith.Trait{trait("i", flagsmith.IntValue(2)), trait("i", flagsmith.IntValue(1))}},
		} {
			res, err := w.Write(ctx, p)
			if err == nil {
				require.Equal(t, first.Identity, res.Identity, name)
				require.Equal(t, first.Identity, res.Before, name)
				require.False(t, res.Created, name)
			}
			require.Equal(t, before, state(), name)
		}
		_, err = w.Write(ctx, store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Set: []flagsmith.Trait{trait("f", flagsmith.FloatValue(0))}})
		require.NoError(t, err)
		require.Equal(t, before, state(), "-0 is stored as 0")
		_, err = w.Write(ctx, store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Set: []flagsmith.Trait{trait("f", flagsmith.FloatValue(1))}})
		require.NoError(t, err)
		require.NotEqual(t, before, state(), "the test would notice a change")
	})
}

// Everything that waits goes into one transaction, up to the size of a batch. Rows of one transaction have one date.
func TestWritesShareTransactions(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		var ticks atomic.Int64
		st := storetest.Open(t, store.Config{URL: url, Now: func() time.Time { return time.UnixMicro(ticks.Add(1)) }})
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{BatchSize: 10})
		var writes []store.IdentityWrite
		for i := range 25 {
			writes = append(writes, store.IdentityWrite{EnvironmentID: env, Identifier: fmt.Sprint(i), Create: true})
		}
		outcomes := enqueue(t, w, writes...)
		run(t, w)
		for _, o := range outcomes {
			require.NoError(t, (<-o).err)
		}
		require.EqualValues(t, 3, queryInt(t, st.ReadDB(), "SELECT COUNT(DISTINCT created_date) FROM identities"))
	})
}

func TestWritesToOneIdentityInOneBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{})
		set := func(v int64) store.IdentityWrite {
			return store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Create: true, Set: []flagsmith.Trait{trait("k", flagsmith.IntValue(v))}}
		}
		outcomes := enqueue(t, w,
			store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Set: []flagsmith.Trait{trait("k", flagsmith.IntValue(0))}}, // nobody yet
			set(1), set(1), set(2),
			store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Delete: []string{"k"}}, // was never stored until now
			set(3),
			store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Increment: &store.Increment{Key: "k", By: 4}},
		)
		run(t, w)
		var got []outcome
		for _, o := range outcomes {
			got = append(got, <-o)
		}
		require.ErrorIs(t, got[0].err, store.ErrNotFound)
		for i, want := range []struct {
			created bool
			version int64
			value   int64 // of k; -1: none
		}{{true, 1, 1}, {false, 1, 1}, {false, 2, 2}, {false, 3, -1}, {false, 4, 3}, {false, 5, 7}} {
			res := got[i+1]
			require.NoError(t, res.err)
			require.Equal(t, want.created, res.Created, i)
			require.Equal(t, want.version, res.Identity.Version, i)
			require.NotZero(t, res.Identity.ID)
			if want.value < 0 {
				require.Empty(t, res.Identity.Traits)
			} else {
				require.Len(t, res.Identity.Traits, 1)
				require.NotZero(t, res.Identity.Traits[0].ID, "also of a trait that is gone by the end of the batch")
				require.Equal(t, flagsmith.IntValue(want.value), res.Identity.Traits[0].Value)
			}
			if i > 0 {
				require.Equal(t, got[i].Identity, res.Before, "one finds what the one before left")
			}
		}
		require.NotEqual(t, got[3].Identity.Traits[0].ID, got[5].Identity.Traits[0].ID, "deleted and set again: another row")
		stored, err := st.Identity(t.Context(), env, "ann")
		require.NoError(t, err)
		require.Equal(t, got[6].Identity, stored)
	})
}

func TestOneBadWriteFailsAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := store.NewIdentityWriter(st, store.WriterConfig{})
		var writes []store.IdentityWrite
		for i := range 50 {
			p := store.IdentityWrite{
				EnvironmentID: env, Identifier: fmt.Sprint("user-", i%7), Create: true, Increment: &store.Increment{Key: "n", By: 1},
			}
			switch i {
			case 17, 41:
				p.EnvironmentID = 999 // only the database knows that there is none
			case 23:
				p.Increment = nil
				p.Set = []flagsmith.Trait{trait("text", flagsmith.StringValue("x"))}
			case 30: // also user-2
				p.Increment.Key = "text"
			}
			writes = append(writes, p)
		}
		outcomes := enqueue(t, w, writes...)
		run(t, w)
		for i, o := range outcomes {
			switch res := <-o; i {
			case 17, 41:
				require.ErrorIs(t, res.err, store.ErrNotFound)
			case 30:
				require.ErrorIs(t, res.err, store.ErrNotInteger)
			default:
				require.NoError(t, res.err, i)
			}
		}
		require.EqualValues(t, 46, queryInt(t, st.ReadDB(), "SELECT SUM(integer_value) FROM traits"), "all good ones, each once")
	})
}

// More traits than one statement takes; and no more work for each than for a few.
func TestVeryManyTraits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := startWriter(t, st, store.WriterConfig{TxTimeout: time.Minute})
		const n = 5000
		p := store.IdentityWrite{EnvironmentID: env, Identifier: "ann", Create: true}
		for i := range n {
			p.Set = append(p.Set, trait(fmt.Sprint("k", i), flagsmith.IntValue(int64(i))))
		}
		res, err := w.Write(t.Context(), p)
		require.NoError(t, err)
		require.Len(t, res.Identity.Traits, n)
		for i := range p.Set {
			p.Set[i].Value = flagsmith.StringValue("x")
		}
		p.Set, p.Replace, p.Delete = p.Set[:n-10], true, []string{"k1", "k2"}
		res, err = w.Write(t.Context(), p)
		require.NoError(t, err)
		require.Len(t, res.Identity.Traits, n-10)
		stored, err := st.Identity(t.Context(), env, "ann")
		require.NoError(t, err)
		require.Equal(t, stored, res.Identity)
	})
}

func TestManyWritersLoseNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := startWriter(t, st, store.WriterConfig{})
		incrementByMany(t, env, []*store.IdentityWriter{w}, 200, 20)
		require.EqualValues(t, 4000, queryInt(t, st.ReadDB(), "SELECT SUM(integer_value) FROM traits"))
		require.EqualValues(t, 4000, queryInt(t, st.ReadDB(), "SELECT SUM(version) FROM identities"))
	})
}

// Several nodes write the same identities: their batches overlap in every way, and they create them at the same time.
func TestNodesSharingPostgres(t *testing.T) {
	url := storetest.PostgresURL(t)
	stores := []*store.Store{storetest.Open(t, store.Config{URL: url}), storetest.Open(t, store.Config{URL: url}), storetest.Open(t, store.Config{URL: url})}
	env := newEnvironment(t, stores[0])
	var writers []*store.IdentityWriter
	for _, st := range stores {
		writers = append(writers, startWriter(t, st, store.WriterConfig{BatchSize: 32}))
	}
	incrementByMany(t, env, writers, 60, 40)
	require.EqualValues(t, 3*60*40, queryInt(t, stores[0].ReadDB(), "SELECT SUM(integer_value) FROM traits"))
	require.EqualValues(t, 3*60*40, queryInt(t, stores[0].ReadDB(), "SELECT SUM(version) FROM identities"))
}

// incrementByMany lets each writer have that many callers, who each increment one of 30 identities that many times.
func incrementByMany(t *testing.T, env int64, writers []*store.IdentityWriter, callers, times int) {
	t.Helper()
	var wg sync.WaitGroup
	for n, w := range writers {
		for c := range callers {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(n), uint64(c)))
				for range times {
					res, err := w.Write(context.Background(), store.IdentityWrite{
						EnvironmentID: env, Identifier: fmt.Sprint("user-", r.IntN(30)), Create: true,
						Increment: &store.Increment{Key: fmt.Sprint("n", r.IntN(2)), By: 1},
					})
					if err != nil || res.Identity.Version != res.Before.Version+1 {
						t.Errorf("%+v, %v", res, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestLongIdentifiers: 2,000 characters of three bytes, random so that they do not compress, are more than an index of Postgres
// takes.
func TestLongIdentifiers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		env := newEnvironment(t, st)
		w := startWriter(t, st, store.WriterConfig{})
		random := rand.New(rand.NewPCG(1, 2))
		long := make([]rune, 2000)
		for i := range long {
			long[i] = rune(0x4e00 + random.IntN(0x5000))
		}
		for _, identifier := range []string{string(long), string(long[:1999]), strings.Repeat("a", 500), strings.Repeat("a", 501), "#a", "=a"} {
			result, err := w.Write(t.Context(), store.IdentityWrite{
				EnvironmentID: env, Identifier: identifier, Create: true, Set: []flagsmith.Trait{trait("k", flagsmith.IntValue(1))},
			})
			require.NoError(t, err)
			require.True(t, result.Created)
			got, err := st.Identity(t.Context(), env, identifier)
			require.NoError(t, err)
			require.Equal(t, result.Identity, got)
		}
	})
}
