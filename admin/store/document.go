package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/flagstaff-io/flagstaff/evaluator/flagsmith"
)

const selectDocumentVersion = `
	SELECT version
	FROM environments
	WHERE id = $1`

// DocumentVersion returns the version of an environment's document, in one lookup by primary key.
func (s *Store) DocumentVersion(ctx context.Context, environmentID int64) (int64, error) {
	var version int64
	if err := s.read.QueryRowContext(ctx, selectDocumentVersion, environmentID).Scan(&version); err != nil {
		return 0, fmt.Errorf("document version of environment %d: %w", environmentID, mapErr(ctx, err))
	}
	return version, nil
}

const selectEnvironmentIDs = `
	SELECT id
	FROM environments
	ORDER BY id` // no LIMIT: the caller wants to warm or check all of them, and a million ids are 8 MB

// EnvironmentIDs returns the ids of all environments, ascending.
func (s *Store) EnvironmentIDs(ctx context.Context) ([]int64, error) {
	ids, err := queryIDs(ctx, s.read, selectEnvironmentIDs)
	if err != nil {
		return nil, fmt.Errorf("list environments: %w", mapErr(ctx, err))
	}
	return ids, nil
}

// BuildDocument reads the whole environment, core fields included, as one moment saw it: six queries in one snapshot,
// whatever its size. Orders are those of the SDK spec (2.1.2, 2.8): feature states and variants by row id, segments by id,
// identities by their first override. Identity overrides are in it whatever use_identity_overrides_in_local_eval says.
// ErrNotFound: no such environment. The caller owns the document.
func (s *Store) BuildDocument(ctx context.Context, environmentID int64) (*flagsmith.Document, error) {
	var doc *flagsmith.Document
	err := s.inSnapshot(ctx, func(t *sql.Tx) (err error) {
		doc, err = buildDocument(ctx, t, environmentID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("build document of environment %d: %w", environmentID, err)
	}
	return doc, nil
}

// documentBuilder collects the parts of one document.
type documentBuilder struct {
	ctx context.Context
	q   querier
	doc *flagsmith.Document

	features map[int64]*featureRow
	variants map[int64][]flagsmith.MultivariateValue // by feature state
	segments map[int64]int                           // position in doc.Project.Segments
	people   map[int64]int                           // position in doc.IdentityOverrides
}

type featureRow struct {
	feature       flagsmith.Feature
	core          flagsmith.FeatureCore
	serverKeyOnly bool
}

func buildDocument(ctx context.Context, q querier, environmentID int64) (*flagsmith.Document, error) {
	b := &documentBuilder{
		ctx:      ctx,
		q:        q,
		doc:      &flagsmith.Document{ID: environmentID, Core: true},
		features: map[int64]*featureRow{},
		variants: map[int64][]flagsmith.MultivariateValue{},
		segments: map[int64]int{},
		people:   map[int64]int{},
	}
	// The environment comes first because it names the project, the states last because they refer to all the rest.
	for _, read := range []func() error{
		b.readEnvironment, b.readFeatures, b.readSegments, b.readIdentities, b.readVariants, b.readStates,
	} {
		if err := read(); err != nil {
			return nil, mapErr(ctx, err)
		}
	}
	return b.doc, nil
}

const selectEnvironment = `
	SELECT e.api_key, e.name, e.allow_client_traits, e.updated_at, e.hide_sensitive_data, e.hide_disabled_flags,
		e.use_identity_composite_key_for_hashing, e.use_identity_overrides_in_local_eval, e.version,
		p.id, p.name, p.hide_disabled_flags, p.enable_realtime_updates,
		o.id, o.name, o.feature_analytics, o.stop_serving_flags, o.persist_trait_data
	FROM environments e
	JOIN projects p ON p.id = e.project_id
	JOIN organisations o ON o.id = p.organisation_id
	WHERE e.id = $1`

func (b *documentBuilder) readEnvironment() error {
	d := b.doc
	p := &d.Project
	o := &p.Organisation
	p.Segments, p.ServerKeyOnlyFeatureID = []flagsmith.Segment{}, []int64{} // SDKs need lists, empty or not
	d.FeatureStates, d.IdentityOverrides = []flagsmith.FeatureState{}, []flagsmith.IdentityOverride{}
	return b.q.QueryRowContext(b.ctx, selectEnvironment, d.ID).Scan(
		&d.APIKey, &d.Name, &d.AllowClientTraits, moment{&d.UpdatedAt}, &d.HideSensitiveData, &d.HideDisabledFlags,
		&d.UseIdentityCompositeKeyForHashing, &d.UseIdentityOverridesInLocalEval, &d.Version,
		&p.ID, &p.Name, &p.HideDisabledFlags, &p.EnableRealtimeUpdates,
		&o.ID, &o.Name, &o.FeatureAnalytics, &o.StopServingFlags, &o.PersistTraitData)
}

const selectFeatures = `
	SELECT id, name, type, created_date, description, initial_value, default_enabled, is_server_key_only
	FROM features
	WHERE project_id = $1`

func (b *documentBuilder) readFeatures() error {
	rows, err := b.q.QueryContext(b.ctx, selectFeatures, b.doc.Project.ID)
	if err != nil {
		return err
	}
	return scanAll(rows, func() error {
		var f featureRow
		if err := rows.Scan(&f.feature.ID, &f.feature.Name, &f.feature.Type, moment{&f.core.CreatedDate}, &f.core.Description,
			&f.core.InitialValue, &f.core.DefaultEnabled, &f.serverKeyOnly); err != nil {
			return err
		}
		b.features[f.feature.ID] = &f
		return nil
	})
}

const selectSegments = `
	SELECT id, name, description, rules
	FROM segments s
	WHERE project_id = $1
		AND (feature_id IS NULL OR EXISTS (
			SELECT 1
			FROM feature_segments fs
			JOIN feature_states st ON st.feature_segment_id = fs.id
			WHERE fs.segment_id = s.id AND fs.environment_id = $2
		))
	ORDER BY id`

func (b *documentBuilder) readSegments() error {
	rows, err := b.q.QueryContext(b.ctx, selectSegments, b.doc.Project.ID, b.doc.ID)
	if err != nil {
		return err
	}
	return scanAll(rows, func() error {
		seg := flagsmith.Segment{FeatureStates: []flagsmith.FeatureState{}}
		var rules string
		if err := rows.Scan(&seg.ID, &seg.Name, &seg.Description, &rules); err != nil {
			return err
		}
		if seg.Rules, err = decodeRules(rules); err != nil {
			return fmt.Errorf("segment %d: %w", seg.ID, err)
		}
		b.segments[seg.ID] = len(b.doc.Project.Segments)
		b.doc.Project.Segments = append(b.doc.Project.Segments, seg)
		return nil
	})
}

const selectOverriddenIdentities = `
	SELECT i.id, i.uuid, i.identifier, i.dashboard_alias, i.created_date
	FROM identities i
	JOIN (
		SELECT identity_id, MIN(id) AS first_state
		FROM feature_states
		WHERE environment_id = $1 AND identity_id IS NOT NULL
		GROUP BY identity_id
	) o ON o.identity_id = i.id
	ORDER BY o.first_state`

func (b *documentBuilder) readIdentities() error {
	rows, err := b.q.QueryContext(b.ctx, selectOverriddenIdentities, b.doc.ID)
	if err != nil {
		return err
	}
	return scanAll(rows, func() error {
		o := flagsmith.IdentityOverride{EnvironmentKey: b.doc.APIKey, Features: []flagsmith.FeatureState{}}
		err := rows.Scan(&o.IdentityID, &o.IdentityUUID, &o.Identifier, &o.DashboardAlias, moment{&o.CreatedDate})
		if err != nil {
			return err
		}
		o.CompositeKey = b.doc.APIKey + "_" + o.Identifier
		b.people[o.IdentityID] = len(b.doc.IdentityOverrides)
		b.doc.IdentityOverrides = append(b.doc.IdentityOverrides, o)
		return nil
	})
}

const selectVariants = `
	SELECT mv.feature_state_id, mv.id, mv.uuid, mv.percentage_allocation,
		o.id, o.key, o.type, o.string_value, o.integer_value, o.boolean_value
	FROM feature_states st
	JOIN mv_state_values mv ON mv.feature_state_id = st.id
	JOIN mv_options o ON o.id = mv.mv_option_id
	WHERE st.environment_id = $1
	ORDER BY mv.id`

func (b *documentBuilder) readVariants() error {
	rows, err := b.q.QueryContext(b.ctx, selectVariants, b.doc.ID)
	if err != nil {
		return err
	}
	return scanAll(rows, func() error {
		var (
			stateID int64
			v       flagsmith.MultivariateValue
			value   valueColumns
		)
		err := rows.Scan(&stateID, &v.ID, &v.UUID, &v.Allocation,
			&v.Option.ID, &v.Option.Key, &value.typ, &value.str, &value.integer, &value.boolean)
		if err != nil {
			return err
		}
		if v.Option.Value, err = value.json(); err != nil {
			return fmt.Errorf("variant %d: %w", v.ID, err)
		}
		b.variants[stateID] = append(b.variants[stateID], v)
		return nil
	})
}

const selectStates = `
	SELECT st.id, st.uuid, st.feature_id, st.enabled, COALESCE(st.hashing_seed, st.id),
		st.type, st.string_value, st.integer_value, st.boolean_value,
		st.identity_id, fs.id, fs.segment_id, fs.priority
	FROM feature_states st
	LEFT JOIN feature_segments fs ON fs.id = st.feature_segment_id
	WHERE st.environment_id = $1
	ORDER BY st.id`

func (b *documentBuilder) readStates() error {
	rows, err := b.q.QueryContext(b.ctx, selectStates, b.doc.ID)
	if err != nil {
		return err
	}
	return scanAll(rows, func() error {
		var (
			st                          flagsmith.FeatureState
			featureID                   int64
			identityID, linkID, segment sql.NullInt64
			priority                    sql.NullFloat64
			value                       valueColumns
		)
		err := rows.Scan(&st.RowID, &st.UUID, &featureID, &st.Enabled, &st.HashingSeed,
			&value.typ, &value.str, &value.integer, &value.boolean,
			&identityID, &linkID, &segment, &priority)
		if err != nil {
			return err
		}
		if st.Value, err = value.json(); err != nil {
			return fmt.Errorf("feature state %d: %w", st.RowID, err)
		}
		if st.Variants = b.variants[st.RowID]; st.Variants == nil {
			st.Variants = []flagsmith.MultivariateValue{}
		}
		f, ok := b.features[featureID]
		if !ok {
			return fmt.Errorf("feature state %d: feature %d is not of the project", st.RowID, featureID)
		}
		st.Feature = f.feature
		return b.place(st, f, identityID, linkID, segment, priority)
	})
}

// place puts a state where it belongs: under its identity, its segment or the environment.
func (b *documentBuilder) place(
	st flagsmith.FeatureState, f *featureRow, identityID, linkID, segment sql.NullInt64, priority sql.NullFloat64,
) error {
	switch {
	case identityID.Valid:
		i, ok := b.people[identityID.Int64]
		if !ok {
			return fmt.Errorf("feature state %d: identity %d is not there", st.RowID, identityID.Int64)
		}
		o := &b.doc.IdentityOverrides[i]
		o.Features = append(o.Features, st)
	case linkID.Valid:
		i, ok := b.segments[segment.Int64]
		if !ok {
			return fmt.Errorf("feature state %d: segment %d is not of the project", st.RowID, segment.Int64)
		}
		st.FeatureSegment = &flagsmith.FeatureSegment{ID: linkID.Int64}
		if priority.Valid {
			st.FeatureSegment.Priority = &priority.Float64
		}
		seg := &b.doc.Project.Segments[i]
		seg.FeatureStates = append(seg.FeatureStates, st)
	default:
		st.Feature.Core = &f.core
		b.doc.FeatureStates = append(b.doc.FeatureStates, st)
		if f.serverKeyOnly {
			b.doc.Project.ServerKeyOnlyFeatureID = append(b.doc.Project.ServerKeyOnlyFeatureID, f.feature.ID)
		}
	}
	return nil
}
