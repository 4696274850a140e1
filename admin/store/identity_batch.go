package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// identityBatch is one transaction of an IdentityWriter. It locks and loads the identities concerned, applies the writes in
// memory, one after another, and stores the difference between what it loaded and what came out: at most eight
// statements for up to 2000 rows of a kind.
type identityBatch struct {
	*tx
	states  map[identityName]*identityState
	order   []*identityState // by name, so that all writers insert in one order
	answers []batchAnswer
}

type identityName struct {
	environmentID int64
	identifier    string
}

// identityState is one identity during the transaction.
type identityState struct {
	identityName
	wanted        bool  // some write may create it
	id            int64 // 0: there is no row
	exists        bool  // to the writes: a row that was just inserted does not, until one of them has created it
	version       int64
	traits        []traitState
	storedVersion int64 // as the database has it
	storedTraits  []traitState
}

// batchAnswer is the result of one write, in states whose ids may still be unknown.
type batchAnswer struct {
	write         *pendingWrite
	err           error
	before, after identitySnapshot
	value         int64
}

type identitySnapshot struct {
	identity *identityState
	exists   bool
	version  int64
	traits   []traitState
}

func (s *identityState) snapshot() identitySnapshot {
	return identitySnapshot{identity: s, exists: s.exists, version: s.version, traits: s.traits}
}

func newIdentityBatch(t *tx) *identityBatch {
	return &identityBatch{tx: t, states: map[identityName]*identityState{}}
}

func (b *identityBatch) run(ctx context.Context, writes []*pendingWrite) error {
	for _, p := range writes {
		s := b.state(p.EnvironmentID, p.Identifier)
		s.wanted = s.wanted || p.creates()
	}
	slices.SortFunc(b.order, func(x, y *identityState) int { return x.compare(y.identityName) })
	if err := b.load(ctx); err != nil {
		return err
	}
	for _, p := range writes {
		s := b.state(p.EnvironmentID, p.Identifier)
		a := batchAnswer{write: p, before: s.snapshot()}
		traits, value, err := s.apply(&p.IdentityWrite)
		if err == nil {
			// A trait that is dropped before it was ever stored would leave the result of the write that set it without an id.
			if dropsUnstored(s.traits, traits) {
				if err := b.flush(ctx); err != nil {
					return err
				}
			}
			s.become(traits)
		}
		a.after, a.value, a.err = s.snapshot(), value, err
		b.answers = append(b.answers, a)
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	return b.dropUnused(ctx)
}

// creates tells whether p may create its identity.
func (p *IdentityWrite) creates() bool { return p.Create || p.Increment != nil }

// state returns the one state of an identity in this batch.
func (b *identityBatch) state(environmentID int64, identifier string) *identityState {
	name := identityName{environmentID, identifier}
	s, ok := b.states[name]
	if !ok {
		s = &identityState{identityName: name}
		b.states[name] = s
		b.order = append(b.order, s)
	}
	return s
}

func (n identityName) compare(m identityName) int {
	return cmp.Or(cmp.Compare(n.environmentID, m.environmentID), cmp.Compare(n.identifier, m.identifier))
}

// load inserts the identities that are wanted and do not exist, locks those that do, and reads their traits.
//
// Nodes that share a database cannot deadlock here. While one inserts, which it does by name, it holds nothing but the rows
// it inserted, and those nobody can see, let alone wait for, except to insert the same. While one locks, which it does by
// id, it waits for nobody who inserts. (Locking first and then inserting what is missing deadlocked within seconds.)
func (b *identityBatch) load(ctx context.Context) error {
	if err := b.insertMissing(ctx); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if err := b.lock(ctx); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := b.readTraits(ctx); err != nil {
		return fmt.Errorf("read traits: %w", err)
	}
	return nil
}

const insertIdentities = `
	INSERT INTO identities (uuid, environment_id, identifier, lookup_key, created_date, version)
	SELECT w.uuid, w.environment_id, w.identifier, w.lookup_key, w.created_date, 1
	FROM w
	WHERE NOT EXISTS ( -- ON CONFLICT alone would do, but use up an id for each row that is there
		SELECT 1
		FROM identities i
		WHERE i.environment_id = w.environment_id AND i.lookup_key = w.lookup_key
	)
	ORDER BY w.place
	ON CONFLICT (environment_id, lookup_key) DO NOTHING -- another node has just inserted it
	RETURNING id, environment_id, identifier`

// insertMissing inserts identities as they most often end: with version 1. To the writes they do not exist until one of
// them creates them.
func (b *identityBatch) insertMissing(ctx context.Context) error {
	set := newRowSet(column{"place", "bigint"}, column{"uuid", "uuid"}, column{"environment_id", "bigint"},
		column{"identifier", "text"}, column{"lookup_key", "text"}, column{"created_date", "timestamptz"})
	for i, s := range b.order {
		if s.wanted {
			set.add(int64(i), newUUID(), s.environmentID, s.identifier, lookupKey(s.identifier), b.now)
		}
	}
	return b.query(ctx, set, insertIdentities, func(scan func(...any) error) error {
		var (
			id   int64
			name identityName
		)
		if err := scan(&id, &name.environmentID, &name.identifier); err != nil {
			return err
		}
		s := b.states[name]
		s.id, s.storedVersion = id, 1
		return nil
	})
}

// CROSS JOIN, because SQLite then keeps the order: look up each row of w, rather than compare each identity with w.
const selectBatchIdentities = `
	SELECT i.id, i.environment_id, i.identifier, i.version
	FROM w CROSS JOIN identities i
	WHERE i.environment_id = w.environment_id AND i.lookup_key = w.lookup_key
	ORDER BY i.id
	`

// lock reads the identities that were there and keeps everybody else from changing them until the transaction ends.
func (b *identityBatch) lock(ctx context.Context) error {
	names := newRowSet(column{"environment_id", "bigint"}, column{"lookup_key", "text"})
	for _, s := range b.order {
		if s.id == 0 {
			names.add(s.environmentID, lookupKey(s.identifier))
		}
	}
	forUpdate := ""
	if b.dialect.forUpdate != "" {
		forUpdate = b.dialect.forUpdate + " OF i"
	}
	err := b.query(ctx, names, selectBatchIdentities+forUpdate, func(scan func(...any) error) error {
		var (
			id, version int64
			name        identityName
		)
		if err := scan(&id, &name.environmentID, &name.identifier, &version); err != nil {
			return err
		}
		s := b.states[name]
		s.id, s.exists, s.version, s.storedVersion = id, true, version, version
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range b.order {
		if s.wanted && s.id == 0 {
			return fmt.Errorf("%w: an identity was deleted meanwhile", errRetry)
		}
	}
	return nil
}

// Not joined to the statement that locks: that one may have waited for another node's transaction, and would then see the new
// identity beside old traits. A statement of its own sees what has been committed since.
const selectBatchTraits = `
	SELECT t.id, t.identity_id, t.trait_key, t.value_type, t.string_value, t.integer_value, t.boolean_value, t.float_value
	FROM %s
	ORDER BY t.id`

func (b *identityBatch) readTraits(ctx context.Context) error {
	ids, byID := newRowSet(column{"id", "bigint"}), make(map[int64]*identityState, len(b.order))
	for _, s := range b.order {
		if s.exists {
			ids.add(s.id)
			byID[s.id] = s
		}
	}
	err := b.query(ctx, ids, fmt.Sprintf(selectBatchTraits, b.dialect.traitsOfW), func(scan func(...any) error) error {
		var (
			id, identityID int64
			key            string
			value          valueColumns
		)
		err := scan(&id, &identityID, &key, &value.typ, &value.str, &value.integer, &value.boolean, &value.float)
		if err != nil {
			return err
		}
		s := byID[identityID]
		s.traits = append(s.traits, traitState{row: &traitRow{id}, key: key, value: value.value()})
		return nil
	})
	for _, s := range b.order {
		s.storedTraits = s.traits
	}
	return err
}

// query runs a statement over a row set, in as many pieces as it takes.
func (b *identityBatch) query(ctx context.Context, set *rowSet, text string, fn func(scan func(...any) error) error) error {
	return set.chunks(func(set *rowSet) error {
		with, args := b.dialect.with(set)
		rows, err := b.QueryContext(ctx, with+text, args...)
		if err != nil {
			return err
		}
		return scanAll(rows, func() error { return fn(rows.Scan) })
	})
}

func (b *identityBatch) exec(ctx context.Context, set *rowSet, text string) error {
	return set.chunks(func(set *rowSet) error {
		with, args := b.dialect.with(set)
		_, err := b.ExecContext(ctx, with+text, args...)
		return err
	})
}

// apply computes the outcome of a write without changing s.
func (s *identityState) apply(p *IdentityWrite) (traits []traitState, value int64, err error) {
	if !s.exists && !p.creates() {
		return nil, 0, ErrNotFound
	}
	return p.applyTo(s.traits)
}

// become takes over the outcome of a write. The version moves only if something is different.
func (s *identityState) become(traits []traitState) {
	if s.exists && slices.Equal(s.traits, traits) {
		return
	}
	s.exists, s.traits = true, traits
	s.version++
}

// answer tells every caller, after the commit.
func (b *identityBatch) answer() {
	for _, a := range b.answers {
		if a.write.err = a.err; a.err == nil {
			a.write.result = IdentityResult{
				Identity: a.after.identityValue(),
				Created:  !a.before.exists,
				Before:   a.before.identityValue(),
				Value:    a.value,
			}
		}
	}
}

func (s identitySnapshot) identityValue() flagsmith.Identity {
	id := flagsmith.Identity{Identifier: s.identity.identifier}
	if !s.exists {
		return id
	}
	id.ID, id.Version = s.identity.id, s.version
	if len(s.traits) > 0 {
		id.Traits = make([]flagsmith.Trait, len(s.traits))
	}
	for i, t := range s.traits {
		id.Traits[i] = flagsmith.Trait{ID: t.row.id, Key: t.key, Value: t.value}
	}
	slices.SortFunc(id.Traits, func(x, y flagsmith.Trait) int { return cmp.Compare(x.ID, y.ID) })
	return id
}
