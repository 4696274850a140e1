package store

import (
	"context"
	"fmt"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// NewState is the state that an override gives to a feature.
type NewState struct {
	Enabled bool
	Value   flagsmith.Value
	Weights []Weight // empty: no variants, everyone gets Value
	// HashingSeed seeds the choice of a variant. Nil: the id of the state. An import gives the seed that the state had.
	HashingSeed *int64
}

// NewSegmentOverride describes what a feature is in one environment for the identities in a segment.
type NewSegmentOverride struct {
	EnvironmentID int64
	FeatureID     int64
	SegmentID     int64
	// Priority is the place among the overrides of the feature in the environment, from 0; lower wins. Those at this place
	// and behind it move back by one. Nil: last.
	Priority *int
	State    NewState
}

// SegmentOverride is a segment override as it was created.
type SegmentOverride struct {
	FeatureSegmentID int64
	StateID          int64
}

const lockEnvironment = `
	SELECT project_id
	FROM environments
	WHERE id = $1
	`

// lockEnvironment makes changes of one environment's overrides come one after another, and returns its project.
func (t *tx) lockEnvironment(ctx context.Context, id int64) (projectID int64, err error) {
	if err := t.QueryRowContext(ctx, lockEnvironment+t.dialect.forUpdate, id).Scan(&projectID); err != nil {
		return 0, fmt.Errorf("environment %d: %w", id, mapErr(ctx, err))
	}
	return projectID, nil
}

const (
	selectOverrideParents = `
	SELECT
		(SELECT COUNT(*) FROM features WHERE id = $1 AND project_id = $3),
		(SELECT COUNT(*) FROM segments WHERE id = $2 AND project_id = $3 AND COALESCE(feature_id, $1) = $1)`

	selectNextPriority = `
	SELECT COALESCE(MAX(priority) + 1, 0)
	FROM feature_segments
	WHERE feature_id = $1 AND environment_id = $2`

	shiftPriorities = `
	UPDATE feature_segments
	SET priority = priority + 1
	WHERE feature_id = $1 AND environment_id = $2 AND priority >= $3`

	insertFeatureSegment = `
	INSERT INTO feature_segments (uuid, feature_id, segment_id, environment_id, priority)
	VALUES ($1, $2, $3, $4, $5)
	RETURNING id`
)

// CreateSegmentOverride adds an override. ErrNotFound: no such environment, or no such feature, segment or variant for it;
// ErrConflict: the segment overrides the feature there already.
func (s *Store) CreateSegmentOverride(ctx context.Context, p NewSegmentOverride) (SegmentOverride, []Change, error) {
	var o SegmentOverride
	changes, err := s.mutate(ctx, func(t *tx) (err error) {
		o, err = t.createSegmentOverride(ctx, p)
		return err
	})
	if err != nil {
		return SegmentOverride{}, nil, fmt.Errorf("create segment override: %w", err)
	}
	return o, changes, nil
}

func (t *tx) createSegmentOverride(ctx context.Context, p NewSegmentOverride) (SegmentOverride, error) {
	var o SegmentOverride
	projectID, err := t.lockEnvironment(ctx, p.EnvironmentID)
	if err != nil {
		return o, err
	}
	var features, segments int
	err = t.QueryRowContext(ctx, selectOverrideParents, p.FeatureID, p.SegmentID, projectID).Scan(&features, &segments)
	if err != nil {
		return o, mapErr(ctx, err)
	}
	if features == 0 || segments == 0 {
		return o, fmt.Errorf("feature %d with segment %d in project %d: %w", p.FeatureID, p.SegmentID, projectID, ErrNotFound)
	}
	priority, err := t.makeRoom(ctx, p)
	if err != nil {
		return o, err
	}
	err = t.QueryRowContext(ctx, insertFeatureSegment, newUUID(), p.FeatureID, p.SegmentID, p.EnvironmentID, priority).
		Scan(&o.FeatureSegmentID)
	if err != nil {
		return o, mapErr(ctx, err)
	}
	o.StateID, err = t.insertOverride(ctx, p.State, newState{
		environmentID: p.EnvironmentID, featureID: p.FeatureID, featureSegmentID: &o.FeatureSegmentID,
	})
	return o, err
}

// makeRoom returns the priority for a new override and moves those back that it comes before.
func (t *tx) makeRoom(ctx context.Context, p NewSegmentOverride) (int, error) {
	if p.Priority == nil {
		var last int
		err := t.QueryRowContext(ctx, selectNextPriority, p.FeatureID, p.EnvironmentID).Scan(&last)
		return last, mapErr(ctx, err)
	}
	if *p.Priority < 0 {
		return 0, fmt.Errorf("%w: priority %d", ErrInvalid, *p.Priority)
	}
	_, err := t.ExecContext(ctx, shiftPriorities, p.FeatureID, p.EnvironmentID, *p.Priority)
	return *p.Priority, mapErr(ctx, err)
}

// insertOverride adds the state of an override that row links to its segment or identity.
func (t *tx) insertOverride(ctx context.Context, st NewState, row newState) (int64, error) {
	row.enabled, row.value, row.hashingSeed = st.Enabled, st.Value, st.HashingSeed
	if err := t.checkWeights(ctx, row.featureID, st.Weights); err != nil {
		return 0, err
	}
	id, err := t.insertState(ctx, row)
	if err != nil {
		return 0, err
	}
	t.touch(row.environmentID)
	return id, t.insertWeights(ctx, id, st.Weights)
}

// NewIdentityOverride describes what a feature is in one environment for one identity.
type NewIdentityOverride struct {
	EnvironmentID int64
	Identifier    string // the identity is created if it is absent
	FeatureID     int64
	State         NewState
}

// IdentityOverride is an identity override as it was created.
type IdentityOverride struct {
	IdentityID int64
	StateID    int64
}

const (
	insertIdentity = `
	INSERT INTO identities (uuid, environment_id, identifier, lookup_key, created_date, version)
	VALUES ($1, $2, $3, $4, $5, 1)
	ON CONFLICT (environment_id, lookup_key) DO NOTHING`

	selectIdentityID = `
	SELECT id
	FROM identities
	WHERE environment_id = $1 AND lookup_key = $2`
)

// CreateIdentityOverride adds an override. ErrNotFound: no such environment, or no such feature or variant for it;
// ErrConflict: the identity has an override of the feature there.
func (s *Store) CreateIdentityOverride(ctx context.Context, p NewIdentityOverride) (IdentityOverride, []Change, error) {
	var o IdentityOverride
	changes, err := s.mutate(ctx, func(t *tx) (err error) {
		o, err = t.createIdentityOverride(ctx, p)
		return err
	})
	if err != nil {
		return IdentityOverride{}, nil, fmt.Errorf("create identity override: %w", err)
	}
	return o, changes, nil
}

func (t *tx) createIdentityOverride(ctx context.Context, p NewIdentityOverride) (IdentityOverride, error) {
	var o IdentityOverride
	if err := checkText("identifier", p.Identifier, 1, maxIdentifierChars); err != nil {
		return o, err
	}
	projectID, err := t.lockEnvironment(ctx, p.EnvironmentID)
	if err != nil {
		return o, err
	}
	if err := t.checkFeature(ctx, p.FeatureID, projectID); err != nil {
		return o, err
	}
	if _, err := t.ExecContext(ctx, insertIdentity, newUUID(), p.EnvironmentID, p.Identifier, lookupKey(p.Identifier), t.now); err != nil {
		return o, mapErr(ctx, err)
	}
	if err := t.QueryRowContext(ctx, selectIdentityID, p.EnvironmentID, lookupKey(p.Identifier)).Scan(&o.IdentityID); err != nil {
		return o, mapErr(ctx, err)
	}
	o.StateID, err = t.insertOverride(ctx, p.State, newState{
		environmentID: p.EnvironmentID, featureID: p.FeatureID, identityID: &o.IdentityID,
	})
	return o, err
}

const deleteIdentityOverride = `
	DELETE FROM feature_states
	WHERE environment_id = $1 AND feature_id = $2 AND identity_id = (
		SELECT id
		FROM identities
		WHERE environment_id = $1 AND lookup_key = $3
	)`

// DeleteIdentityOverride removes an override; the identity stays. ErrNotFound: there is none.
func (s *Store) DeleteIdentityOverride(
	ctx context.Context, environmentID int64, identifier string, featureID int64,
) ([]Change, error) {
	changes, err := s.mutate(ctx, func(t *tx) error {
		t.touch(environmentID)
		return execOne(ctx, t, deleteIdentityOverride, environmentID, featureID, lookupKey(identifier))
	})
	if err != nil {
		return nil, fmt.Errorf("delete identity override: %w", err)
	}
	return changes, nil
}
