package cachetier

import (
	"context"
	"errors"
	"time"
)

// Key names an entry in a shared tier.
type Key struct {
	Namespace, ID string
}

// Entry is one version of a key as the source of truth gave it out. Payload and validators are one value and travel
// together through every tier. It is immutable once handed over: neither side writes to Body again.
type Entry struct {
	Body []byte
	// ETag is the source's validator, opaque to this package.
	ETag string
	// Version is positive, and only grows for a key. The source of truth gives it out.
	Version int64
	// ModifiedAt is when the source made this version.
	ModifiedAt time.Time
}

// What Get, Put, loaders and tiers say. Compare with errors.Is.
var (
	// ErrNotFound: the source of truth says that there is no such key.
	ErrNotFound = errors.New("no such key")
	// ErrNotModified is a Loader's answer: the version that the caller has is current.
	ErrNotModified = errors.New("not modified")
	// ErrMiss is a Tier's answer: it works, and it does not hold the key.
	ErrMiss = errors.New("not in this tier")
	// ErrBusy: as many fills are running and waiting as the Config allows. Nothing was started.
	ErrBusy = errors.New("too many fills in flight")
	// ErrBehind: the source offers an older version than this node has already served, and memory no longer holds
	// that one. A lagging replica does this; serving its answer would break rule 1.
	ErrBehind = errors.New("source is behind what was already served")
	// ErrClosed: the cache was closed.
	ErrClosed = errors.New("cache is closed")
)

// Loader reads the source of truth. have is the version that the caller holds (0: none); a loader answers
// ErrNotModified when that is still current, and ErrNotFound when there is no such key. Any other error means that
// the source could not be asked. The id is valid for ever. A loader must return soon after ctx ends: until it does,
// it occupies one of Config.MaxConcurrentFills and Close waits for it.
type Loader func(ctx context.Context, id string, have int64) (Entry, error)

// Tier is a cache shared by several nodes. Implementations are safe for concurrent use and keep neither side's
// buffers: Set may not retain e.Body after it returns, and the Body that Get returns belongs to the caller.
//
// Versions: Set never replaces a newer version with an older one, whatever happens between (compare and store are one
// atomic step in the tier). An equal version is replaced, so that a damaged body can be repaired.
type Tier interface {
	// Get returns the entry, or ErrMiss when the tier works and holds no usable entry (none, or one that fails its
	// checksum). Any other error means the tier could not be asked; it is then not repaired.
	Get(ctx context.Context, key Key) (Entry, error)
	// Set stores e unless the tier holds a newer version; that is a success too.
	Set(ctx context.Context, key Key, e Entry) error
	// Delete removes the entry unless its version is newer than upTo. A missing entry is a success.
	Delete(ctx context.Context, key Key, upTo int64) error
}
