package store

import (
	"context"
	"fmt"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

// NewSegment describes a segment.
type NewSegment struct {
	ProjectID   int64
	Name        string // need not be unique
	Description *string
	FeatureID   *int64           // the one feature that the segment is for; nil: any
	Rules       []flagsmith.Rule // stored as they are; the evaluator knows what they mean
}

const insertSegment = `
	INSERT INTO segments (uuid, project_id, feature_id, name, description, version, rules, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $7)
	RETURNING id`

// CreateSegment adds a segment and returns its id. The documents of all environments of the project change. ErrNotFound: no
// such project or feature.
func (s *Store) CreateSegment(ctx context.Context, p NewSegment) (id int64, changes []Change, err error) {
	changes, err = s.mutate(ctx, func(t *tx) error {
		id, err = t.createSegment(ctx, p)
		return err
	})
	return id, changes, err
}

func (t *tx) createSegment(ctx context.Context, p NewSegment) (int64, error) {
	if err := checkText("name", p.Name, 1, maxNameChars); err != nil {
		return 0, err
	}
	if p.FeatureID != nil {
		if err := t.checkFeature(ctx, *p.FeatureID, p.ProjectID); err != nil {
			return 0, fmt.Errorf("create segment %q: %w", p.Name, err)
		}
	}
	rules, err := t.encodeRules(ctx, p.Rules)
	if err != nil {
		return 0, fmt.Errorf("create segment %q: %w", p.Name, err)
	}
	var id int64
	err = t.QueryRowContext(ctx, insertSegment,
		newUUID(), p.ProjectID, p.FeatureID, p.Name, p.Description, rules, t.now).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("create segment %q: %w", p.Name, mapErr(ctx, err))
	}
	_, err = t.touchProject(ctx, p.ProjectID)
	return id, err
}
