package cachetier

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// The defaults of Config, in one place.
const (
	defaultMaxBytes           = 64 << 20
	defaultTTL                = time.Minute
	defaultNegativeTTL        = 5 * time.Second
	defaultMaxNegative        = 10_000
	defaultFillTimeout        = 5 * time.Second
	defaultMaxConcurrentFills = 64
	queuedPerFill             = 16
	defaultJitter             = 0.1
)

// Config says what a Cache holds and how. Namespace, Load and Decode are required.
type Config[V any] struct {
	// Namespace is the first half of every Key in shared tiers, and names the cache in logs.
	Namespace string

	// SecretIDs keeps the ids of this cache out of logs and errors: they open something.
	SecretIDs bool

	// MaxBytes is the memory budget, in the bytes that Decode and PutValue report plus a fixed overhead per entry
	// (under 1 KiB). Zero: 64 MiB. Negative: a configuration error.
	//
	// One sixteenth of it is a waiting window for entries that ristretto refuses: because others are asked for more,
	// or because the entry alone is larger than the rest of the budget. They are served from the window like any
	// other and get a second chance when they leave it. The window always keeps its newest entry, even one larger
	// than the whole budget: exceeding the budget by one entry, with a warning, is better than loading it once per
	// request. A working set that does not fit shows as Stats.Refills, and is logged.
	MaxBytes int64

	// TTL is the soft age limit: an older entry is served, and is refreshed in the background by the first Peek or
	// Get that finds it. Zero: 1 minute. Negative: entries are never refreshed for their age, only by Put and
	// Invalidate.
	TTL time.Duration

	// MaxStale is the hard limit on the time since the source last confirmed an entry: past it, Peek says Miss and
	// Get returns an error rather than the old answer. Zero or negative: none (rule 2). Otherwise at least TTL.
	MaxStale time.Duration

	// NegativeTTL is how long "no such key" is remembered. Zero: 5 s. Negative: it is not.
	NegativeTTL time.Duration

	// MaxNegative bounds the number of keys remembered as unknown; each costs under 100 bytes, however long its id.
	// The oldest give way. Zero: 10,000. Negative: none are remembered.
	MaxNegative int

	// FillTimeout is the deadline of one load: all tiers and the loader together. Zero: 5 s. Negative: a
	// configuration error.
	FillTimeout time.Duration

	// MaxConcurrentFills bounds how many loads run at once, and with them the goroutines of this cache. Refreshes for
	// age use at most half of it; writes to shared tiers have a quarter as many goroutines beside it. Zero: 64.
	// Negative: a configuration error.
	MaxConcurrentFills int

	// MaxQueuedFills bounds how many more may wait their turn (no goroutine each); beyond it Get returns ErrBusy.
	// Zero: 16 times MaxConcurrentFills. Negative: none wait.
	MaxQueuedFills int

	// Jitter is the part of TTL by which a refresh may come early, at random: 0.1 spreads the refreshes of entries
	// that were filled together over the last tenth of TTL. Zero: 0.1. Negative: none. At most 1.
	Jitter float64

	// Tiers are asked in this order before Load. None is fine.
	Tiers []Tier

	// Load is the source of truth.
	Load Loader

	// Decode turns an entry into the value that callers get, and says how many bytes of memory that value holds (its
	// share of e.Body included, if it keeps it: the cache itself does not). It runs once per version, outside locks,
	// concurrently for different keys. Values are shared between callers and must not be changed afterwards.
	// An error makes the entry count as absent from a tier, and as a failed load from the source.
	Decode func(id string, e Entry) (v V, cost int64, err error)

	// OnSwap is called after memory took a newer version than it is known to have held, outside locks, one call at a
	// time and in version order for each key. A version that is replaced before its turn is skipped. It runs on the
	// goroutine that brought the version, or on one that is already delivering for that key, so it should be short.
	// Nil: nothing is called.
	OnSwap func(id string, v V, e Entry)

	// Now is the clock, for tests next to sockets. Nil: the monotonic clock.
	Now func() time.Time

	// Log receives changes of state, never a line per request. Nil: nothing is logged.
	Log *slog.Logger
}

// Validate reports every problem of the configuration at once.
func (cfg Config[V]) Validate() error {
	var errs []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(cfg.Namespace == "", "Namespace is empty")
	check(cfg.Load == nil, "Load is nil")
	check(cfg.Decode == nil, "Decode is nil")
	check(cfg.MaxBytes < 0, "MaxBytes is %d, want a positive number", cfg.MaxBytes)
	check(cfg.FillTimeout < 0, "FillTimeout is %v, want a positive duration", cfg.FillTimeout)
	check(cfg.MaxConcurrentFills < 0, "MaxConcurrentFills is %d, want a positive number", cfg.MaxConcurrentFills)
	check(math.IsNaN(cfg.Jitter) || cfg.Jitter > 1, "Jitter is %v, want at most 1", cfg.Jitter)
	ttl := orDefault(cfg.TTL, defaultTTL)
	check(cfg.MaxStale > 0 && cfg.MaxStale < ttl, "MaxStale is %v, shorter than TTL (%v)", cfg.MaxStale, ttl)
	for i, t := range cfg.Tiers {
		check(t == nil, "Tiers[%d] is nil", i)
	}
	return errors.Join(errs...)
}

// withDefaults returns cfg with every zero replaced, and every "none" as 0.
func (cfg Config[V]) withDefaults() Config[V] {
	cfg.MaxBytes = orDefault(cfg.MaxBytes, defaultMaxBytes)
	cfg.TTL = orDefault(cfg.TTL, defaultTTL)
	cfg.MaxStale = max(cfg.MaxStale, 0)
	cfg.NegativeTTL = max(orDefault(cfg.NegativeTTL, defaultNegativeTTL), 0)
	cfg.MaxNegative = max(orDefault(cfg.MaxNegative, defaultMaxNegative), 0)
	cfg.FillTimeout = orDefault(cfg.FillTimeout, defaultFillTimeout)
	cfg.MaxConcurrentFills = orDefault(cfg.MaxConcurrentFills, defaultMaxConcurrentFills)
	cfg.MaxQueuedFills = max(orDefault(cfg.MaxQueuedFills, queuedPerFill*cfg.MaxConcurrentFills), 0)
	cfg.Jitter = max(orDefault(cfg.Jitter, defaultJitter), 0)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Log = cfg.Log.With("namespace", cfg.Namespace)
	return cfg
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// name is how logs and errors call a key.
func (cfg *Config[V]) name(id string) string {
	if cfg.SecretIDs {
		return "REDACTED"
	}
	return id
}
