package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// What Write returns beside the errors of every store call.
var (
	// ErrBusy says that the queue is full. Nothing was written; the client should come back later.
	ErrBusy = errors.New("too many identity writes waiting")
	// ErrNotInteger says that the trait to increment is stored with another type.
	ErrNotInteger = errors.New("trait is not an integer")
	// ErrOverflow says that an increment would leave the range of 32 bits.
	ErrOverflow = errors.New("trait would leave the range of 32 bits")
	// ErrStopped says that the writer has stopped. It also is an ErrUnavailable.
	ErrStopped = fmt.Errorf("identity writer has stopped: %w", ErrUnavailable)
)

// WriterConfig bounds an IdentityWriter.
type WriterConfig struct {
	// BatchSize is the most writes that share a transaction. Zero or negative: 256.
	BatchSize int
	// QueueSize is the most writes that wait for a transaction; one more is refused with ErrBusy. Zero or negative: 4096.
	QueueSize int
	// TxTimeout bounds one transaction. Zero or negative: 5 s.
	TxTimeout time.Duration
}

// IdentityWrite is one change of one identity. Its parts apply in the order of the fields, and either all do or none does.
type IdentityWrite struct {
	EnvironmentID int64
	Identifier    string // 1 to 2000 characters
	// Create creates the identity if it is absent. Without it, and without Increment, an absent identity is ErrNotFound.
	Create bool
	// Replace drops all stored traits whose key is not in Set.
	Replace bool
	// Delete drops the traits with these keys. A key that is not stored is no error.
	Delete []string
	// Set stores traits; of two with one key the last counts. Text, integers of 64 bits, finite floats (-0 as 0) and booleans
	// can be stored. ID is ignored.
	Set []flagsmith.Trait
	// Increment adds to an integer trait. It creates the identity, and the trait from 0.
	Increment *Increment
}

// Increment adds By to the integer trait Key.
type Increment struct {
	Key string
	By  int64
}

// IdentityResult tells what a write found and what it left.
type IdentityResult struct {
	// Identity is the state right after the write, with the ids of all rows.
	Identity flagsmith.Identity
	// Created says that the write created the identity.
	Created bool
	// Before is the state right before the write. Its ID is 0 if there was none.
	Before flagsmith.Identity
	// Value is the trait after an increment.
	Value int64
}

// IdentityWriter stores identities and traits by group commit: all writes that arrive while one transaction runs go into the
// next one together, so that a hundred writers cost one commit, not a hundred. It is safe for concurrent use.
type IdentityWriter struct {
	store *Store
	cfg   WriterConfig
	queue chan *pendingWrite

	mu      sync.RWMutex
	stopped bool // guarded by mu: nothing enters queue once it is set
}

// pendingWrite is a write on its way. Whoever moves state away from queued owns it: the caller that withdraws it, or the
// writer that puts it into a transaction.
type pendingWrite struct {
	IdentityWrite
	state  atomic.Int32
	done   chan struct{} // closed when result and err are set
	result IdentityResult
	err    error
}

const (
	queued = iota
	taken
	withdrawn
)

// NewIdentityWriter returns a writer. It writes nothing before Run; until then writes wait in the queue.
func NewIdentityWriter(store *Store, cfg WriterConfig) *IdentityWriter {
	if cfg.BatchSize <= 0 {
		cfg.BatchSize = 256
	}
	if cfg.QueueSize <= 0 {
		cfg.QueueSize = 4096
	}
	cfg.TxTimeout = cmp.Or(max(cfg.TxTimeout, 0), 5*time.Second)
	return &IdentityWriter{store: store, cfg: cfg, queue: make(chan *pendingWrite, cfg.QueueSize)}
}

// Run commits what is queued until ctx ends. Then it refuses new writes, commits those that are queued and returns nil. It
// must run once at a time.
func (w *IdentityWriter) Run(ctx context.Context) error {
	background := context.WithoutCancel(ctx) // a transaction outlives the signal to stop
	for {
		select {
		case <-ctx.Done():
			w.mu.Lock()
			w.stopped = true
			w.mu.Unlock()
			for len(w.queue) > 0 {
				w.commitQueued(background, <-w.queue)
			}
			return nil
		case first := <-w.queue:
			w.commitQueued(background, first)
		}
	}
}

// commitQueued commits first and what is queued behind it. When the database is gone, those that wait for a later transaction
// get the same answer now: each would wait out a transaction of its own to learn as much.
func (w *IdentityWriter) commitQueued(ctx context.Context, first *pendingWrite) {
	err := w.commit(ctx, w.collect(first))
	if !errors.Is(err, ErrUnavailable) {
		return
	}
	for range len(w.queue) {
		p := <-w.queue
		if p.state.CompareAndSwap(queued, taken) {
			p.err = err
			close(p.done)
		}
	}
}

// collect returns first and what else is queued, as far as one transaction takes it, without waiting for more.
func (w *IdentityWriter) collect(first *pendingWrite) []*pendingWrite {
	batch := make([]*pendingWrite, 0, min(w.cfg.BatchSize, len(w.queue)+1))
	for p := first; ; {
		if p.state.CompareAndSwap(queued, taken) {
			batch = append(batch, p)
		}
		if len(batch) == w.cfg.BatchSize {
			return batch
		}
		select {
		case p = <-w.queue:
		default:
			return batch
		}
	}
}

// Write applies one change and returns after the commit of its transaction. It keeps nothing of p.
//
// ErrBusy, ErrStopped, ErrInvalid, ErrNotFound (the environment, or the identity and Create is not set), ErrNotInteger,
// ErrOverflow and the end of ctx mean that nothing was written; ErrUnavailable leaves it open. ctx withdraws a write that
// still waits; one that is in a transaction is answered at its end.
func (w *IdentityWriter) Write(ctx context.Context, p IdentityWrite) (IdentityResult, error) {
	if err := ctx.Err(); err != nil {
		return IdentityResult{}, err
	}
	if err := p.check(); err != nil {
		return IdentityResult{}, err
	}
	pending := &pendingWrite{IdentityWrite: p.clone(), done: make(chan struct{})}
	if err := w.enqueue(pending); err != nil {
		return IdentityResult{}, err
	}
	select {
	case <-pending.done:
	case <-ctx.Done():
		if pending.state.CompareAndSwap(queued, withdrawn) {
			return IdentityResult{}, ctx.Err()
		}
		<-pending.done
	}
	return pending.result, pending.err
}

func (w *IdentityWriter) enqueue(p *pendingWrite) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return ErrStopped
	}
	select {
	case w.queue <- p:
		return nil
	default:
		return ErrBusy
	}
}

// check finds what can be known to fail without asking the database, so that it cannot spoil a batch.
func (p *IdentityWrite) check() error {
	if err := checkText("identifier", p.Identifier, 1, maxIdentifierChars); err != nil {
		return err
	}
	for _, t := range p.Set {
		if err := checkTrait(t); err != nil {
			return err
		}
	}
	if p.Increment != nil {
		if p.Increment.By < math.MinInt32 || p.Increment.By > math.MaxInt32 {
			return ErrOverflow
		}
		return checkText("trait key", p.Increment.Key, 1, maxTraitKeyChars)
	}
	return nil
}

func checkTrait(t flagsmith.Trait) error {
	if err := checkText("trait key", t.Key, 1, maxTraitKeyChars); err != nil {
		return err
	}
	switch t.Value.Kind() {
	case flagsmith.KindString:
		return checkText("trait value", t.Value.Text(), 0, maxTraitChars)
	case flagsmith.KindInt, flagsmith.KindBool:
		return nil
	case flagsmith.KindFloat:
		if f := t.Value.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%w: trait value is not a finite number", ErrInvalid)
		}
		return nil
	case flagsmith.KindBigInt:
		return fmt.Errorf("%w: trait value has more than 64 bits", ErrInvalid)
	default:
		return fmt.Errorf("%w: trait value is null", ErrInvalid)
	}
}

// clone copies all text: a caller's strings may lie in a request buffer that is used again, while the states of an identity
// that results share live longer.
func (p *IdentityWrite) clone() IdentityWrite {
	c := *p
	c.Identifier = strings.Clone(p.Identifier)
	c.Set = make([]flagsmith.Trait, len(p.Set))
	for i, t := range p.Set {
		switch t.Value.Kind() {
		case flagsmith.KindString:
			t.Value = flagsmith.StringValue(strings.Clone(t.Value.Text()))
		case flagsmith.KindFloat:
			t.Value = flagsmith.FloatValue(t.Value.Float() + 0) // -0 becomes 0, which is all that SQLite can store
		}
		c.Set[i] = flagsmith.Trait{Key: strings.Clone(t.Key), Value: t.Value}
	}
	c.Delete = make([]string, len(p.Delete))
	for i, key := range p.Delete {
		c.Delete[i] = strings.Clone(key)
	}
	if p.Increment != nil {
		c.Increment = &Increment{Key: strings.Clone(p.Increment.Key), By: p.Increment.By}
	}
	return c
}

// commit writes a batch, answers everyone in it, and returns why it could not be written.
func (w *IdentityWriter) commit(ctx context.Context, batch []*pendingWrite) error {
	if len(batch) == 0 {
		return nil
	}
	err := w.commitOnce(ctx, batch)
	if err != nil && len(batch) > 1 && !errors.Is(err, ErrUnavailable) {
		// Some write in it is bad in a way that only the database could tell. Halving finds it in a few transactions and
		// keeps the order; the two halves of a good part succeed.
		first := w.commit(ctx, batch[:len(batch)/2])
		return errors.Join(first, w.commit(ctx, batch[len(batch)/2:]))
	}
	for _, p := range batch {
		if err != nil {
			p.result, p.err = IdentityResult{}, err
		}
		close(p.done)
	}
	return err
}

// commitOnce runs one transaction. After an error nothing of the batch is stored, unless it is ErrUnavailable.
func (w *IdentityWriter) commitOnce(ctx context.Context, batch []*pendingWrite) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.TxTimeout)
	defer cancel()
	var b *identityBatch
	err := w.store.inTx(ctx, func(t *tx) error {
		b = newIdentityBatch(t)
		return b.run(ctx, batch)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: no commit within %s", ErrUnavailable, w.cfg.TxTimeout)
	}
	if err != nil {
		return fmt.Errorf("write identities: %w", err)
	}
	b.answer()
	return nil
}
