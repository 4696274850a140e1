package cachetier_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/flagstaff-io/flagstaff/cachetier"
	"github.com/flagstaff-io/flagstaff/cachetier/cachetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// doc is what the tests' Decode makes: it knows where it came from.
type doc struct {
	id, body string
	version  int64
}

var errBadBody = errors.New("bad body")

// decode rejects bodies that begin with "bad", and charges what "cost=N" says or 100.
func decode(id string, e cachetier.Entry) (*doc, int64, error) {
	body := string(e.Body)
	if strings.HasPrefix(body, "bad") {
		return nil, 0, errBadBody
	}
	if strings.HasPrefix(body, "panic") {
		panic("as the body says")
	}
	cost := int64(100)
	if _, err := fmt.Sscanf(body, "cost=%d", &cost); err != nil {
		cost = 100
	}
	return &doc{id: id, body: body, version: e.Version}, cost, nil
}

// rig is a cache over a source, with the log it writes.
type rig struct {
	*cachetier.Cache[*doc]
	src *cachetest.Source
	log *logs
}

func newRig(t testing.TB, edit ...func(*cachetier.Config[*doc])) *rig {
	t.Helper()
	r := &rig{src: cachetest.NewSource(), log: &logs{}}
	cfg := cachetier.Config[*doc]{
		Namespace: "test", MaxBytes: 1 << 20, TTL: time.Minute, Load: r.src.Load, Decode: decode,
		Log: slog.New(r.log),
	}
	for _, f := range edit {
		f(&cfg)
	}
	c, err := cachetier.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	r.Cache = c
	return r
}

func (r *rig) mustGet(t testing.TB, id string) *doc {
	t.Helper()
	d, err := r.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, id, d.id)
	return d
}

// peek says what Peek found, as "hit 3", "miss" or "negative".
func (r *rig) peek(id string) string {
	d, state := r.Peek(id)
	if state == cachetier.Hit {
		return fmt.Sprintf("hit %d", d.version)
	}
	return state.String()
}

func (r *rig) mustPut(t testing.TB, id string, e cachetier.Entry) {
	t.Helper()
	swapped, err := r.Put(id, e)
	require.NoError(t, err)
	require.True(t, swapped)
}

// check compares everything that the cache keeps twice, once nothing runs any more.
func (r *rig) check(t testing.TB) {
	t.Helper()
	eventually(t, r.Idle, "loads end")
	require.NoError(t, r.CheckInvariants())
}

// eventually is for what happens on another goroutine outside of synctest.
func eventually(t testing.TB, cond func() bool, msg string) {
	t.Helper()
	require.Eventually(t, cond, 10*time.Second, time.Millisecond, msg)
}

// logs is a slog.Handler that keeps messages.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }
func (l *logs) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, r.Level.String()+" "+r.Message)
	return nil
}

func (l *logs) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

func withTTL(d time.Duration) func(*cachetier.Config[*doc]) {
	return func(cfg *cachetier.Config[*doc]) { cfg.TTL = d }
}

func withTiers(tiers ...cachetier.Tier) func(*cachetier.Config[*doc]) {
	return func(cfg *cachetier.Config[*doc]) { cfg.Tiers = tiers }
}

// withRoomFor sets a budget for that many entries of that cost each.
func withRoomFor(entries, cost int64) func(*cachetier.Config[*doc]) {
	return func(cfg *cachetier.Config[*doc]) { cfg.MaxBytes = entries * (cachetier.SlotOverhead + cost) }
}
