package store

import (
	"context"
	"fmt"
	"strings"
)

// NewOrganisation describes an organisation.
type NewOrganisation struct {
	Name             string
	DropTraits       bool // persist_trait_data is off
	StopServingFlags bool
	FeatureAnalytics bool
}

const insertOrganisation = `
	INSERT INTO organisations (uuid, name, force_2fa, restrict_project_create_to_admin, block_access_to_admin,
		persist_trait_data, stop_serving_flags, feature_analytics, created_date)
	VALUES ($1, $2, FALSE, FALSE, FALSE, $3, $4, $5, $6)
	RETURNING id`

// CreateOrganisation adds an organisation without members and returns its id.
func (s *Store) CreateOrganisation(ctx context.Context, p NewOrganisation) (id int64, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		id, err = t.createOrganisation(ctx, p)
		return err
	})
	return id, err
}

func (t *tx) createOrganisation(ctx context.Context, p NewOrganisation) (int64, error) {
	if err := checkText("name", p.Name, 1, maxNameChars); err != nil {
		return 0, err
	}
	var id int64
	err := t.QueryRowContext(ctx, insertOrganisation,
		newUUID(), p.Name, !p.DropTraits, p.StopServingFlags, p.FeatureAnalytics, t.now).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("create organisation: %w", mapErr(ctx, err))
	}
	return id, nil
}

// OrganisationSettings are the settings of an organisation that documents carry. Nil leaves one as it is.
type OrganisationSettings struct {
	Name             *string
	PersistTraitData *bool
	StopServingFlags *bool
	FeatureAnalytics *bool
}

const (
	updateOrganisation = `
	UPDATE organisations
	SET name = COALESCE($2, name), persist_trait_data = COALESCE($3, persist_trait_data),
		stop_serving_flags = COALESCE($4, stop_serving_flags), feature_analytics = COALESCE($5, feature_analytics)
	WHERE id = $1`

	selectOrganisationEnvironments = `
	SELECT e.id
	FROM environments e
	JOIN projects p ON p.id = e.project_id
	WHERE p.organisation_id = $1
	ORDER BY e.id` // no LIMIT: all of them must change
)

// UpdateOrganisation changes settings. The documents of all environments of the organisation change.
func (s *Store) UpdateOrganisation(ctx context.Context, id int64, p OrganisationSettings) ([]Change, error) {
	changes, err := s.mutate(ctx, func(t *tx) error {
		if err := checkNewText("name", p.Name, 1, maxNameChars); err != nil {
			return err
		}
		err := execOne(ctx, t, updateOrganisation, id, p.Name, p.PersistTraitData, p.StopServingFlags, p.FeatureAnalytics)
		if err != nil {
			return err
		}
		ids, err := queryIDs(ctx, t, selectOrganisationEnvironments, id)
		t.touch(ids...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("update organisation %d: %w", id, err)
	}
	return changes, nil
}

// NewProject describes a project.
type NewProject struct {
	OrganisationID        int64
	Name                  string // unique in the organisation
	HideDisabledFlags     bool
	PreventFlagDefaults   bool // new feature states are off and without a value, whatever the feature says
	EnableRealtimeUpdates bool
}

const insertProject = `
	INSERT INTO projects (uuid, organisation_id, name, hide_disabled_flags, prevent_flag_defaults, enable_realtime_updates,
		only_allow_lower_case_feature_names, enforce_feature_owners, stale_flags_limit_days, max_segments, max_features,
		max_segment_overrides, created_date)
	VALUES ($1, $2, $3, $4, $5, $6, TRUE, FALSE, 30, 500, 1000, 2000, $7) -- the defaults of the admin API
	RETURNING id`

// CreateProject adds a project without environments and returns its id. ErrNotFound: no such organisation; ErrConflict: it
// has a project of that name.
func (s *Store) CreateProject(ctx context.Context, p NewProject) (id int64, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		id, err = t.createProject(ctx, p)
		return err
	})
	return id, err
}

func (t *tx) createProject(ctx context.Context, p NewProject) (int64, error) {
	if err := checkText("name", p.Name, 1, maxNameChars); err != nil {
		return 0, err
	}
	var id int64
	err := t.QueryRowContext(ctx, insertProject, newUUID(), p.OrganisationID, p.Name, p.HideDisabledFlags,
		p.PreventFlagDefaults, p.EnableRealtimeUpdates, t.now).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("create project: %w", mapErr(ctx, err))
	}
	return id, nil
}

// ProjectSettings are the settings of a project that documents carry. Nil leaves one as it is.
type ProjectSettings struct {
	Name                  *string
	HideDisabledFlags     *bool
	EnableRealtimeUpdates *bool
}

const updateProject = `
	UPDATE projects
	SET name = COALESCE($2, name), hide_disabled_flags = COALESCE($3, hide_disabled_flags),
		enable_realtime_updates = COALESCE($4, enable_realtime_updates)
	WHERE id = $1`

// UpdateProject changes settings. The documents of all environments of the project change.
func (s *Store) UpdateProject(ctx context.Context, id int64, p ProjectSettings) ([]Change, error) {
	changes, err := s.mutate(ctx, func(t *tx) error {
		if err := checkNewText("name", p.Name, 1, maxNameChars); err != nil {
			return err
		}
		if err := execOne(ctx, t, updateProject, id, p.Name, p.HideDisabledFlags, p.EnableRealtimeUpdates); err != nil {
			return err
		}
		_, err := t.touchProject(ctx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("update project %d: %w", id, err)
	}
	return changes, nil
}

// NewEnvironment describes an environment. Client traits are allowed, composite keys are used for hashing and identity
// overrides are in local evaluation, as for new environments of Flagsmith; UpdateEnvironment changes that.
type NewEnvironment struct {
	ProjectID   int64
	Name        string
	APIKey      string // the client-side key. "": a random one
	Description *string
}

// Environment is an environment as it was created.
type Environment struct {
	ID     int64
	APIKey string
}

const (
	insertEnvironment = `
	INSERT INTO environments (uuid, project_id, name, api_key, description, allow_client_traits, hide_sensitive_data,
		use_identity_composite_key_for_hashing, use_identity_overrides_in_local_eval, is_creating, created_date, updated_at,
		version)
	VALUES ($1, $2, $3, $4, $5, TRUE, FALSE, TRUE, TRUE, FALSE, $6, $6, 0) -- 1 once it is complete
	RETURNING id`

	lockOrganisation = `
	SELECT o.id
	FROM organisations o
	WHERE o.id = (SELECT organisation_id FROM projects WHERE id = $1)
	`
	selectRetiredKey = `
	SELECT COUNT(*)
	FROM retired_keys
	WHERE key = $1`
)

// CreateEnvironment adds an environment, with a default state for each feature of the project. ErrNotFound: no such project;
// ErrConflict: the key is taken, or a deleted environment had it; ErrInvalid: it is too long or looks like a server-side one.
func (s *Store) CreateEnvironment(ctx context.Context, p NewEnvironment) (Environment, []Change, error) {
	var e Environment
	changes, err := s.mutate(ctx, func(t *tx) (err error) {
		e, err = t.createEnvironment(ctx, p)
		return err
	})
	return e, changes, err
}

func (t *tx) createEnvironment(ctx context.Context, p NewEnvironment) (Environment, error) {
	if p.APIKey == "" {
		p.APIKey = newKey()
	}
	if strings.HasPrefix(p.APIKey, serverPrefix) {
		return Environment{}, fmt.Errorf("%w: a client-side key must not begin with %q", ErrInvalid, serverPrefix)
	}
	if err := checkText("key", p.APIKey, 1, maxKeyChars); err != nil {
		return Environment{}, err
	}
	if err := checkText("name", p.Name, 1, maxNameChars); err != nil {
		return Environment{}, err
	}
	if err := t.lockTenants(ctx, p.ProjectID); err != nil {
		return Environment{}, fmt.Errorf("create environment: %w", err)
	}
	e := Environment{APIKey: p.APIKey}
	err := t.QueryRowContext(ctx, insertEnvironment, newUUID(), p.ProjectID, p.Name, p.APIKey, p.Description, t.now).Scan(&e.ID)
	if err != nil {
		return Environment{}, fmt.Errorf("create environment: %w", mapErr(ctx, err))
	}
	// Looked up after the insert: that waits for a transaction that is just retiring the key.
	var retired int
	if err := t.QueryRowContext(ctx, selectRetiredKey, p.APIKey).Scan(&retired); err != nil {
		return Environment{}, fmt.Errorf("look up retired keys: %w", mapErr(ctx, err))
	}
	if retired > 0 {
		return Environment{}, fmt.Errorf("create environment: %w: a deleted environment had this key", ErrConflict)
	}
	states, err := t.defaultStates(ctx, selectProjectDefaults, p.ProjectID)
	if err != nil {
		return Environment{}, err
	}
	for _, st := range states {
		if _, err := t.insertDefaultState(ctx, e.ID, st); err != nil {
			return Environment{}, err
		}
	}
	t.touch(e.ID)
	return e, nil
}

// lockTenants keeps the settings above a new environment as they are until it can be seen: whoever changes them afterwards
// finds the environment, and gives its document a next version.
func (t *tx) lockTenants(ctx context.Context, projectID int64) error {
	var id int64
	if err := t.QueryRowContext(ctx, lockOrganisation+t.dialect.forShare, projectID).Scan(&id); err != nil {
		return fmt.Errorf("organisation of project %d: %w", projectID, mapErr(ctx, err))
	}
	return t.lockProject(ctx, projectID)
}

// EnvironmentSettings are the settings of an environment that documents carry. Nil leaves one as it is.
type EnvironmentSettings struct {
	Name                              *string
	AllowClientTraits                 *bool
	HideSensitiveData                 *bool
	UseIdentityOverridesInLocalEval   *bool
	UseIdentityCompositeKeyForHashing *bool
	// HideDisabledFlags points to the new setting, which is nil for "as the project says".
	HideDisabledFlags **bool
}

const updateEnvironment = `
	UPDATE environments
	SET name = COALESCE($2, name), allow_client_traits = COALESCE($3, allow_client_traits),
		hide_sensitive_data = COALESCE($4, hide_sensitive_data),
		use_identity_overrides_in_local_eval = COALESCE($5, use_identity_overrides_in_local_eval),
		use_identity_composite_key_for_hashing = COALESCE($6, use_identity_composite_key_for_hashing),
		hide_disabled_flags = CASE WHEN $7 THEN $8 ELSE hide_disabled_flags END
	WHERE id = $1`

// UpdateEnvironment changes settings, and with them the environment's document.
func (s *Store) UpdateEnvironment(ctx context.Context, id int64, p EnvironmentSettings) ([]Change, error) {
	changes, err := s.mutate(ctx, func(t *tx) error {
		if err := checkNewText("name", p.Name, 1, maxNameChars); err != nil {
			return err
		}
		var hide *bool
		if p.HideDisabledFlags != nil {
			hide = *p.HideDisabledFlags
		}
		t.touch(id)
		return execOne(ctx, t, updateEnvironment, id, p.Name, p.AllowClientTraits, p.HideSensitiveData,
			p.UseIdentityOverridesInLocalEval, p.UseIdentityCompositeKeyForHashing, p.HideDisabledFlags != nil, hide)
	})
	if err != nil {
		return nil, fmt.Errorf("update environment %d: %w", id, err)
	}
	return changes, nil
}

const (
	retireKey = `
	INSERT INTO retired_keys (key, retired_at)
	SELECT api_key, CAST($2 AS TIMESTAMPTZ)
	FROM environments
	WHERE id = $1`

	deleteEnvironment = `
	DELETE FROM environments
	WHERE id = $1`
)

// DeleteEnvironment deletes an environment with all that belongs to it. Its client-side key is never issued again.
func (s *Store) DeleteEnvironment(ctx context.Context, id int64) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := execOne(ctx, t, retireKey, id, t.now); err != nil {
			return fmt.Errorf("delete environment %d: %w", id, err)
		}
		if err := execOne(ctx, t, deleteEnvironment, id); err != nil {
			return fmt.Errorf("delete environment %d: %w", id, err)
		}
		return nil
	})
}
