package store

import (
	"context"
	"fmt"
	"slices"
)

// flush stores what the writes so far have changed, one kind of statement at a time.
func (b *identityBatch) flush(ctx context.Context) error {
	diffs := map[*identityState]traitDiff{}
	for _, s := range b.order {
		if s.exists && !slices.Equal(s.storedTraits, s.traits) {
			diffs[s] = diffTraits(s.storedTraits, s.traits)
		}
	}
	for _, step := range []struct {
		doing string
		run   func(context.Context, map[*identityState]traitDiff) error
	}{
		{"delete traits", b.deleteTraits}, // first: a key may have been dropped and set again
		{"update traits", b.updateTraits},
		{"insert traits", b.insertTraits},
		{"update versions", b.updateVersions},
	} {
		if err := step.run(ctx, diffs); err != nil {
			return fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	for _, s := range b.order {
		if s.exists {
			s.storedVersion, s.storedTraits = s.version, s.traits
		}
	}
	return nil
}

const deleteTraits = `
	DELETE FROM traits
	WHERE id IN (SELECT id FROM w)`

func (b *identityBatch) deleteTraits(ctx context.Context, diffs map[*identityState]traitDiff) error {
	set := newRowSet(column{"id", "bigint"})
	for _, s := range b.order {
		for _, id := range diffs[s].deletes {
			set.add(id)
		}
	}
	return b.exec(ctx, set, deleteTraits)
}

var traitValueColumns = []column{{"value_type", "text"}, {"string_value", "text"}, {"integer_value", "bigint"},
	{"boolean_value", "boolean"}, {"float_value", "double precision"}}

const updateTraits = `
	UPDATE traits
	SET value_type = w.value_type, string_value = w.string_value, integer_value = w.integer_value,
		boolean_value = w.boolean_value, float_value = w.float_value
	FROM w
	WHERE traits.id = w.id`

func (b *identityBatch) updateTraits(ctx context.Context, diffs map[*identityState]traitDiff) error {
	set := newRowSet(append([]column{{"id", "bigint"}}, traitValueColumns...)...)
	for _, s := range b.order {
		for _, t := range diffs[s].updates {
			typ, str, integer, boolean, float := columnsOf(t.value)
			set.add(t.row.id, typ, str, integer, boolean, float)
		}
	}
	return b.exec(ctx, set, updateTraits)
}

const insertTraits = `
	INSERT INTO traits (identity_id, trait_key, created_date,
		value_type, string_value, integer_value, boolean_value, float_value)
	SELECT identity_id, trait_key, created_date,
		value_type, string_value, integer_value, boolean_value, float_value
	FROM w
	RETURNING id, identity_id, trait_key`

func (b *identityBatch) insertTraits(ctx context.Context, diffs map[*identityState]traitDiff) error {
	type traitName struct {
		identityID int64
		key        string
	}
	set := newRowSet(append([]column{{"identity_id", "bigint"}, {"trait_key", "text"}, {"created_date", "timestamptz"}},
		traitValueColumns...)...)
	rows := map[traitName]*traitRow{}
	for _, s := range b.order {
		for _, t := range diffs[s].inserts {
			typ, str, integer, boolean, float := columnsOf(t.value)
			set.add(s.id, t.key, b.now, typ, str, integer, boolean, float)
			rows[traitName{s.id, t.key}] = t.row
		}
	}
	return b.query(ctx, set, insertTraits, func(scan func(...any) error) error {
		var (
			id   int64
			name traitName
		)
		if err := scan(&id, &name.identityID, &name.key); err != nil {
			return err
		}
		rows[name].id = id
		return nil
	})
}

const updateVersions = `
	UPDATE identities
	SET version = w.version
	FROM w
	WHERE identities.id = w.id`

func (b *identityBatch) updateVersions(ctx context.Context, _ map[*identityState]traitDiff) error {
	set := newRowSet(column{"id", "bigint"}, column{"version", "bigint"})
	for _, s := range b.order {
		if s.exists && s.version != s.storedVersion {
			set.add(s.id, s.version)
		}
	}
	return b.exec(ctx, set, updateVersions)
}

const deleteIdentities = `
	DELETE FROM identities
	WHERE id IN (SELECT id FROM w)`

// dropUnused takes back identities that were inserted for writes which all failed.
func (b *identityBatch) dropUnused(ctx context.Context) error {
	set := newRowSet(column{"id", "bigint"})
	for _, s := range b.order {
		if s.id != 0 && !s.exists {
			set.add(s.id)
		}
	}
	return b.exec(ctx, set, deleteIdentities)
}
