package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	writers  = 200
	counters = 8
)

// TestKilledInMidFlight kills the server while clients write traits in every way there is, and looks after a restart for
// every write that was acknowledged. Each round goes on with the database that the one before left.
func TestKilledInMidFlight(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		seed(t, databaseURL)
		random := seededRandom(t)
		l := newLedger(random)
		env := vars{"DATABASE_URL": databaseURL}
		n := serve(t, env)
		rounds := 4
		if raceEnabled {
			rounds = 2
		}
		for round := range rounds {
			moment := random.N(400 * time.Millisecond)
			before := l.acknowledged.Load()
			l.writeUntilKilled(t, n, moment)
			n = serve(t, env)
			l.check(t, n)
			t.Logf("round %d: killed after %s and %d acknowledged writes", round, moment, l.acknowledged.Load()-before)
		}
		for way := range l.byWay {
			require.Positive(t, l.byWay[way].Load(), "no acknowledged write of way %d: the test shows nothing", way)
		}
		require.Zero(t, terminated(n))
	})
}

// random is a seeded source that also draws durations.
type random struct{ *rand.Rand }

func (r random) N(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// seededRandom prints its seed; FLAGSTAFF_TEST_SEED repeats a run, as far as the scheduler lets it.
func seededRandom(t testing.TB) random {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("FLAGSTAFF_TEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("FLAGSTAFF_TEST_SEED=%d", seed)
	return random{rand.New(rand.NewPCG(seed, 0))}
}

// ledger is what clients know of their writes.
type ledger struct {
	writers      []*writer
	counters     [counters]counter
	acknowledged atomic.Int64
	byWay        [4]atomic.Int64
}

// counter is a trait that everybody increments by one.
type counter struct{ sent, acknowledged atomic.Int64 }

// writer is one client with two identities of its own. One goroutine at a time uses it.
type writer struct {
	l      *ledger
	random random
	number int
	step   int
	traits map[name]*history
}

type name struct{ identifier, key string }

// history is what a client knows of a trait: the newest value that was acknowledged, "" if none was, and those that were sent
// since. Values are JSON.
type history struct {
	acknowledged string
	unsure       []string
}

func newLedger(r random) *ledger {
	l := &ledger{}
	for i := range writers {
		l.writers = append(l.writers, &writer{
			l: l, number: i, traits: make(map[name]*history), random: random{rand.New(rand.NewPCG(r.Uint64(), 0))},
		})
	}
	return l
}

// writeUntilKilled lets all clients write, kills the server some time after all are at it and waits for them.
func (l *ledger) writeUntilKilled(t *testing.T, n *node, after time.Duration) {
	t.Helper()
	c := newClient(t, n.address, writers)
	var (
		killed atomic.Bool
		wait   sync.WaitGroup
	)
	begin := l.acknowledged.Load()
	for _, w := range l.writers {
		wait.Go(func() {
			for {
				a, err := w.write(c)
				switch {
				case err != nil:
					if !killed.Load() {
						t.Errorf("before the kill: %v", err)
					}
					return
				case a.status != http.StatusOK:
					t.Errorf("status %d: %s", a.status, a.body)
					return
				}
			}
		})
	}
	eventually(t, "writes are acknowledged", func() bool { return l.acknowledged.Load() > begin+writers || t.Failed() })
	<-time.After(after) // the fault comes at a random moment; nothing waits for anything here
	killed.Store(true)
	n.kill()
	wait.Wait()
	require.False(t, t.Failed())
}

// write sends one write of a random kind and notes what comes back.
func (w *writer) write(c *client) (answer, error) {
	w.step++
	one, two := w.identifier("a"), w.identifier("b")
	ways := []func(*client) (answer, error){w.identify(one), w.setOne(two), w.setMany(one, two), w.increment}
	way := w.random.IntN(len(ways))
	a, err := ways[way](c)
	if err == nil && a.status == http.StatusOK {
		w.l.acknowledged.Add(1)
		w.l.byWay[way].Add(1)
	}
	return a, err
}

func (w *writer) identifier(which string) string { return fmt.Sprintf("writer-%d-%s", w.number, which) }

// value draws a new value of a random type, as JSON.
func (w *writer) value() string {
	switch n := w.number*1_000_000 + w.step; w.random.IntN(4) {
	case 0:
		return strconv.Itoa(n)
	case 1:
		return strconv.Itoa(n) + ".25"
	case 2:
		return strconv.FormatBool(w.random.IntN(2) == 0)
	default:
		return fmt.Sprintf(`"value %d"`, n)
	}
}

// send asks for traits to be set, and keeps the books. Of one identity no trait is named twice.
func (w *writer) send(c *client, r request, set map[name]string) (answer, error) {
	for at, value := range set {
		h := w.traits[at]
		if h == nil {
			h = &history{}
			w.traits[at] = h
		}
		h.unsure = append(h.unsure, value)
	}
	a, err := c.try(r)
	if err == nil && a.status == http.StatusOK {
		for at, value := range set {
			*w.traits[at] = history{acknowledged: value}
		}
	}
	return a, err
}

// identify is POST identities/ with two traits.
func (w *writer) identify(identifier string) func(*client) (answer, error) {
	return func(c *client) (answer, error) {
		first, second := w.value(), w.value()
		return w.send(c, request{
			method: http.MethodPost, path: "/api/v1/identities/", key: clientKey,
			body: fmt.Sprintf(`{"identifier":%q,"traits":[{"trait_key":"k0","trait_value":%s},{"trait_key":"k1","trait_value":%s}]}`,
				identifier, first, second),
		}, map[name]string{{identifier, "k0"}: first, {identifier, "k1"}: second})
	}
}

func traitJSON(identifier, key, value string) string {
	return fmt.Sprintf(`{"identity":{"identifier":%q},"trait_key":%q,"trait_value":%s}`, identifier, key, value)
}

// setOne is POST traits/.
func (w *writer) setOne(identifier string) func(*client) (answer, error) {
	return func(c *client) (answer, error) {
		key, value := fmt.Sprintf("k%d", w.random.IntN(4)), w.value()
		return w.send(c, request{
			method: http.MethodPost, path: "/api/v1/traits/", key: clientKey, body: traitJSON(identifier, key, value),
		}, map[name]string{{identifier, key}: value})
	}
}

// setMany is PUT traits/bulk/ with traits of two identities.
func (w *writer) setMany(one, two string) func(*client) (answer, error) {
	return func(c *client) (answer, error) {
		first, second := w.value(), w.value()
		return w.send(c, request{
			method: http.MethodPut, path: "/api/v1/traits/bulk/", key: serverKey,
			body: "[" + traitJSON(one, "k2", first) + "," + traitJSON(two, "k3", second) + "]",
		}, map[name]string{{one, "k2"}: first, {two, "k3"}: second})
	}
}

func counterIdentifier(i int) string { return "counter-" + strconv.Itoa(i) }

// increment is POST traits/increment-value/ on a trait that all writers share.
func (w *writer) increment(c *client) (answer, error) {
	i := w.random.IntN(counters)
	w.l.counters[i].sent.Add(1)
	a, err := c.try(request{
		method: http.MethodPost, path: "/api/v1/traits/increment-value/", key: clientKey,
		body: fmt.Sprintf(`{"identifier":%q,"trait_key":"n","increment_by":1}`, counterIdentifier(i)),
	})
	if err == nil && a.status == http.StatusOK {
		w.l.counters[i].acknowledged.Add(1)
	}
	return a, err
}

// check compares what clients know with what a server that was started afterwards says. A write that was sent and not
// acknowledged may have happened or not; from here on it is known which.
func (l *ledger) check(t *testing.T, n *node) {
	t.Helper()
	c := newClient(t, n.address, 1)
	for _, w := range l.writers {
		stored := make(map[string]identityView)
		for at, h := range w.traits {
			if _, ok := stored[at.identifier]; !ok {
				stored[at.identifier] = c.identity(serverKey, at.identifier)
			}
			got := stored[at.identifier].trait(at.key)
			if got != h.acknowledged && !slices.Contains(h.unsure, got) {
				t.Errorf("%s of %s is %q; acknowledged was %q, sent after that %q", at.key, at.identifier, got, h.acknowledged, h.unsure)
			}
			*h = history{acknowledged: got}
		}
	}
	for i := range l.counters {
		var got int64
		if text := c.identity(serverKey, counterIdentifier(i)).trait("n"); text != "" {
			var err error
			got, err = strconv.ParseInt(text, 10, 64)
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, got, l.counters[i].acknowledged.Load(), "increments were lost")
		require.LessOrEqual(t, got, l.counters[i].sent.Load(), "increments were made up")
	}
	require.False(t, t.Failed())
}
