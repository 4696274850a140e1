package store

import (
	"context"
	"fmt"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

const (
	typeStandard     = "STANDARD"
	typeMultivariate = "MULTIVARIATE"
)

// NewFeature describes a feature.
type NewFeature struct {
	ProjectID int64
	Name      string // unique in the project whatever its case
	// InitialValue is the text from which the value of new states is typed: an integer if it reads as one, a boolean if it is
	// true, True, false or False, else text. Nil: no value.
	InitialValue   *string
	DefaultEnabled bool
	Description    *string
	Multivariate   bool // also without Options
	Options        []NewOption
	ServerKeyOnly  bool
	Archived       bool
}

// NewOption describes a variant of a feature.
type NewOption struct {
	Key   *string // unique in the feature; nil: none
	Value flagsmith.Value
	// Allocation is the percentage of identities that get it in a new state. The rest get the state's own value.
	Allocation float64
}

// Feature is a feature as it was created.
type Feature struct {
	ID        int64
	OptionIDs []int64         // in the order of NewFeature.Options
	StateIDs  map[int64]int64 // its default state by environment
}

const insertFeature = `
	INSERT INTO features (uuid, project_id, name, type, initial_value, description, default_enabled, is_archived,
		is_server_key_only, created_date)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
	RETURNING id`

// CreateFeature adds a feature, its variants, and its default state in every environment of the project, all of whose
// documents change. ErrNotFound: no such project; ErrConflict: the name or the key of a variant is taken.
func (s *Store) CreateFeature(ctx context.Context, p NewFeature) (Feature, []Change, error) {
	var f Feature
	changes, err := s.mutate(ctx, func(t *tx) (err error) {
		f, err = t.createFeature(ctx, p)
		return err
	})
	return f, changes, err
}

func (t *tx) createFeature(ctx context.Context, p NewFeature) (Feature, error) {
	if err := p.check(); err != nil {
		return Feature{}, fmt.Errorf("create feature %q: %w", p.Name, err)
	}
	typ := typeStandard
	if p.Multivariate || len(p.Options) > 0 {
		typ = typeMultivariate
	}
	var f Feature
	err := t.QueryRowContext(ctx, insertFeature, newUUID(), p.ProjectID, p.Name, typ, p.InitialValue, p.Description,
		p.DefaultEnabled, p.Archived, p.ServerKeyOnly, t.now).Scan(&f.ID)
	if err != nil {
		return Feature{}, fmt.Errorf("create feature %q: %w", p.Name, mapErr(ctx, err))
	}
	if f.OptionIDs, err = t.createOptions(ctx, f.ID, p.Options); err != nil {
		return Feature{}, err
	}
	environments, err := t.touchProject(ctx, p.ProjectID)
	if err != nil {
		return Feature{}, err
	}
	states, err := t.defaultStates(ctx, selectFeatureDefaults, f.ID)
	if err != nil {
		return Feature{}, err
	}
	f.StateIDs = make(map[int64]int64, len(environments))
	for _, environmentID := range environments {
		if f.StateIDs[environmentID], err = t.insertDefaultState(ctx, environmentID, states[0]); err != nil {
			return Feature{}, err
		}
	}
	return f, nil
}

func (p *NewFeature) check() error {
	if err := checkText("name", p.Name, 1, maxNameChars); err != nil {
		return err
	}
	if err := checkNewText("initial value", p.InitialValue, 0, maxFeatureValue); err != nil {
		return err
	}
	sum := 0.0
	for _, o := range p.Options {
		if err := checkFeatureValue(o.Value); err != nil {
			return err
		}
		if o.Key != nil && *o.Key == "control" {
			return fmt.Errorf("%w: %q is reserved for identities without a variant", ErrInvalid, *o.Key)
		}
		if o.Allocation < 0 {
			return fmt.Errorf("%w: percentage allocation %g", ErrInvalid, o.Allocation)
		}
		sum += o.Allocation
	}
	if sum > 100 {
		return fmt.Errorf("%w: percentage allocations add up to %g", ErrInvalid, sum)
	}
	return nil
}

const insertOption = `
	INSERT INTO mv_options (uuid, feature_id, key, type, string_value, integer_value, boolean_value,
		default_percentage_allocation)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	RETURNING id`

func (t *tx) createOptions(ctx context.Context, featureID int64, options []NewOption) ([]int64, error) {
	ids := make([]int64, len(options))
	for i, o := range options {
		typ, str, integer, boolean, _ := columnsOf(o.Value)
		err := t.QueryRowContext(ctx, insertOption, newUUID(), featureID, o.Key, typ, str, integer, boolean, o.Allocation).
			Scan(&ids[i])
		if err != nil {
			return nil, fmt.Errorf("create variant %d of feature %d: %w", i+1, featureID, mapErr(ctx, err))
		}
	}
	return ids, nil
}

const selectFeatureOfProject = `
	SELECT id
	FROM features
	WHERE id = $1 AND project_id = $2`

// checkFeature returns ErrNotFound unless the project has the feature.
func (t *tx) checkFeature(ctx context.Context, id, projectID int64) error {
	if err := t.QueryRowContext(ctx, selectFeatureOfProject, id, projectID).Scan(&id); err != nil {
		return fmt.Errorf("feature %d in project %d: %w", id, projectID, mapErr(ctx, err))
	}
	return nil
}

// FeatureSettings are the settings of a feature that documents carry. Nil leaves one as it is.
type FeatureSettings struct {
	ServerKeyOnly *bool
	Archived      *bool
	// Description points to the new text, which is nil for none.
	Description **string
}

const updateFeature = `
	UPDATE features
	SET is_server_key_only = COALESCE($2, is_server_key_only), is_archived = COALESCE($3, is_archived),
		description = CASE WHEN $4 THEN $5 ELSE description END
	WHERE id = $1
	RETURNING project_id`

// UpdateFeature changes settings of a feature. The documents of all environments of its project change.
func (s *Store) UpdateFeature(ctx context.Context, id int64, p FeatureSettings) ([]Change, error) {
	changes, err := s.mutate(ctx, func(t *tx) error {
		var (
			description *string
			projectID   int64
		)
		if p.Description != nil {
			description = *p.Description
		}
		err := t.QueryRowContext(ctx, updateFeature, id, p.ServerKeyOnly, p.Archived, p.Description != nil, description).
			Scan(&projectID)
		if err != nil {
			return err
		}
		_, err = t.touchProject(ctx, projectID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("update feature %d: %w", id, err)
	}
	return changes, nil
}

const (
	selectProjectDefaults = `
	SELECT f.id, f.default_enabled, f.initial_value, p.prevent_flag_defaults
	FROM features f
	JOIN projects p ON p.id = f.project_id
	WHERE f.project_id = $1
	ORDER BY f.id` // no LIMIT: a new environment has a state for each

	selectFeatureDefaults = `
	SELECT f.id, f.default_enabled, f.initial_value, p.prevent_flag_defaults
	FROM features f
	JOIN projects p ON p.id = f.project_id
	WHERE f.id = $1`
)

// defaultStates returns what features are in a new environment, or what a new feature is in every environment.
func (t *tx) defaultStates(ctx context.Context, query string, id int64) ([]newState, error) {
	rows, err := t.QueryContext(ctx, query, id)
	if err != nil {
		return nil, fmt.Errorf("default states: %w", mapErr(ctx, err))
	}
	var states []newState
	err = scanAll(rows, func() error {
		var (
			st      newState
			initial *string
			prevent bool
		)
		if err := rows.Scan(&st.featureID, &st.enabled, &initial, &prevent); err != nil {
			return err
		}
		if st.value = initialValue(initial); prevent {
			st.enabled, st.value = false, flagsmith.Value{}
		}
		states = append(states, st)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("default states: %w", mapErr(ctx, err))
	}
	return states, nil
}

// insertDefaultState adds the state to an environment, with the default weights of the feature's variants.
func (t *tx) insertDefaultState(ctx context.Context, environmentID int64, st newState) (int64, error) {
	st.environmentID = environmentID
	id, err := t.insertState(ctx, st)
	if err != nil {
		return 0, err
	}
	weights, err := t.weights(ctx, selectDefaultWeights, st.featureID)
	if err != nil {
		return 0, fmt.Errorf("variants of feature %d: %w", st.featureID, err)
	}
	return id, t.insertWeights(ctx, id, weights)
}
