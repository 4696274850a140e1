package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// newState is a row of feature_states. It is a default unless one of the links is set.
type newState struct {
	environmentID, featureID     int64
	featureSegmentID, identityID *int64
	enabled                      bool
	value                        flagsmith.Value
	hashingSeed                  *int64
}

const insertState = `
	INSERT INTO feature_states (uuid, feature_id, environment_id, feature_segment_id, identity_id, enabled,
		type, string_value, integer_value, boolean_value, hashing_seed, created_at, updated_at, live_from)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $12)
	RETURNING id`

func (t *tx) insertState(ctx context.Context, st newState) (int64, error) {
	if err := checkFeatureValue(st.value); err != nil {
		return 0, err
	}
	typ, str, integer, boolean, _ := columnsOf(st.value)
	var id int64
	err := t.QueryRowContext(ctx, insertState, newUUID(), st.featureID, st.environmentID, st.featureSegmentID, st.identityID,
		st.enabled, typ, str, integer, boolean, st.hashingSeed, t.now).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("create state of feature %d in environment %d: %w", st.featureID, st.environmentID, mapErr(ctx, err))
	}
	return id, nil
}

const selectDefaultState = `
	SELECT id
	FROM feature_states
	WHERE environment_id = $1 AND feature_id = $2 AND feature_segment_id IS NULL AND identity_id IS NULL`

// DefaultStateID returns the id of a feature's default state in an environment. ErrNotFound: it has none there.
func (s *Store) DefaultStateID(ctx context.Context, environmentID, featureID int64) (int64, error) {
	var id int64
	if err := s.read.QueryRowContext(ctx, selectDefaultState, environmentID, featureID).Scan(&id); err != nil {
		return 0, fmt.Errorf("state of feature %d in environment %d: %w", featureID, environmentID, mapErr(ctx, err))
	}
	return id, nil
}

const selectDefaultWeights = `
	SELECT id, default_percentage_allocation
	FROM mv_options
	WHERE feature_id = $1
	ORDER BY id`

// Weight is the share of identities, in percent, that get a variant.
type Weight struct {
	OptionID   int64
	Allocation float64
}

func (t *tx) weights(ctx context.Context, query string, id int64) ([]Weight, error) {
	rows, err := t.QueryContext(ctx, query, id)
	if err != nil {
		return nil, mapErr(ctx, err)
	}
	var weights []Weight
	err = scanAll(rows, func() error {
		var w Weight
		if err := rows.Scan(&w.OptionID, &w.Allocation); err != nil {
			return err
		}
		weights = append(weights, w)
		return nil
	})
	return weights, mapErr(ctx, err)
}

const insertWeight = `
	INSERT INTO mv_state_values (uuid, feature_state_id, mv_option_id, percentage_allocation)
	VALUES ($1, $2, $3, $4)`

func (t *tx) insertWeights(ctx context.Context, stateID int64, weights []Weight) error {
	for _, w := range weights {
		if _, err := t.ExecContext(ctx, insertWeight, newUUID(), stateID, w.OptionID, w.Allocation); err != nil {
			return fmt.Errorf("weight of variant %d: %w", w.OptionID, mapErr(ctx, err))
		}
	}
	return nil
}

// StateUpdate changes a feature state of any kind. Nil leaves a part as it is.
type StateUpdate struct {
	Enabled *bool
	Value   *flagsmith.Value
	// Weights replaces the whole list: variants that are not in it lose their share here. Rows of variants that stay keep
	// their ids, and with them their place in the order of variants.
	Weights *[]Weight
}

const (
	lockState = `
	SELECT environment_id, feature_id, enabled, type, string_value, integer_value, boolean_value
	FROM feature_states
	WHERE id = $1
	`
	updateState = `
	UPDATE feature_states
	SET enabled = $2, type = $3, string_value = $4, integer_value = $5, boolean_value = $6, updated_at = $7
	WHERE id = $1`
)

// UpdateFeatureState changes a state, be it a default or an override. The result is empty when that changed nothing, and else
// names the state's environment. ErrNotFound: no such state or variant; ErrInvalid: a value or a weight is out of range.
func (s *Store) UpdateFeatureState(ctx context.Context, stateID int64, p StateUpdate) ([]Change, error) {
	changes, err := s.mutate(ctx, func(t *tx) error { return t.updateState(ctx, stateID, p) })
	if err != nil {
		return nil, fmt.Errorf("update feature state %d: %w", stateID, err)
	}
	return changes, nil
}

func (t *tx) updateState(ctx context.Context, stateID int64, p StateUpdate) error {
	var (
		environmentID, featureID int64
		enabled                  bool
		stored                   valueColumns
	)
	err := t.QueryRowContext(ctx, lockState+t.dialect.forUpdate, stateID).
		Scan(&environmentID, &featureID, &enabled, &stored.typ, &stored.str, &stored.integer, &stored.boolean)
	if err != nil {
		return err
	}
	changed, value := false, stored.value()
	if p.Enabled != nil && *p.Enabled != enabled {
		changed, enabled = true, *p.Enabled
	}
	if p.Value != nil && !p.Value.Equal(value) {
		if err := checkFeatureValue(*p.Value); err != nil {
			return err
		}
		changed, value = true, *p.Value
	}
	if p.Weights != nil {
		weightsChanged, err := t.replaceWeights(ctx, stateID, featureID, *p.Weights)
		if err != nil {
			return err
		}
		changed = changed || weightsChanged
	}
	if !changed {
		return nil
	}
	t.touch(environmentID)
	typ, str, integer, boolean, _ := columnsOf(value)
	return execOne(ctx, t, updateState, stateID, enabled, typ, str, integer, boolean, t.now)
}

const (
	selectWeights = `
	SELECT mv_option_id, percentage_allocation
	FROM mv_state_values
	WHERE feature_state_id = $1
	ORDER BY id`

	updateWeight = `
	UPDATE mv_state_values
	SET percentage_allocation = $3
	WHERE feature_state_id = $1 AND mv_option_id = $2`

	deleteWeight = `
	DELETE FROM mv_state_values
	WHERE feature_state_id = $1 AND mv_option_id = $2`
)

// replaceWeights makes weights the whole list of a state and tells whether that changed anything.
func (t *tx) replaceWeights(ctx context.Context, stateID, featureID int64, weights []Weight) (changed bool, err error) {
	if err := t.checkWeights(ctx, featureID, weights); err != nil {
		return false, err
	}
	stored, err := t.weights(ctx, selectWeights, stateID)
	if err != nil {
		return false, err
	}
	for _, old := range stored {
		i := slices.IndexFunc(weights, func(w Weight) bool { return w.OptionID == old.OptionID })
		switch {
		case i < 0:
			changed, err = true, execOne(ctx, t, deleteWeight, stateID, old.OptionID)
		case weights[i].Allocation != old.Allocation:
			changed, err = true, execOne(ctx, t, updateWeight, stateID, old.OptionID, weights[i].Allocation)
		}
		if err != nil {
			return false, fmt.Errorf("weight of variant %d: %w", old.OptionID, err)
		}
	}
	for _, w := range weights {
		if slices.ContainsFunc(stored, func(old Weight) bool { return old.OptionID == w.OptionID }) {
			continue
		}
		changed = true
		if err := t.insertWeights(ctx, stateID, []Weight{w}); err != nil {
			return false, err
		}
	}
	return changed, nil
}

// checkWeights tells whether a state of the feature can have the weights.
func (t *tx) checkWeights(ctx context.Context, featureID int64, weights []Weight) error {
	if len(weights) == 0 {
		return nil
	}
	options, err := t.weights(ctx, selectDefaultWeights, featureID)
	if err != nil {
		return err
	}
	sum, seen := 0.0, map[int64]bool{}
	for _, w := range weights {
		if !slices.ContainsFunc(options, func(o Weight) bool { return o.OptionID == w.OptionID }) {
			return fmt.Errorf("variant %d of feature %d: %w", w.OptionID, featureID, ErrNotFound)
		}
		if w.Allocation < 0 || seen[w.OptionID] {
			return fmt.Errorf("%w: percentage allocation %g of variant %d", ErrInvalid, w.Allocation, w.OptionID)
		}
		seen[w.OptionID] = true
		sum += w.Allocation
	}
	if sum > 100 {
		return fmt.Errorf("%w: percentage allocations add up to %g", ErrInvalid, sum)
	}
	return nil
}
