package store

import (
	"cmp"
	"context"
	"fmt"
)

// BootstrapParams describes what a new installation begins with.
type BootstrapParams struct {
	OrganisationName string // "": Default Organisation
	ProjectName      string // "": Default Project
	AdminEmail       string // "": admin@example.com
	AdminPassword    string // "": a random one
	// ClientKey and ServerKey are those of the environment Development. "": random ones.
	ClientKey string
	ServerKey string
	// Empty leaves out the sample features, segments and overrides.
	Empty bool
}

// BootstrapResult is what an operator must be shown, once: passwords and tokens are stored hashed.
type BootstrapResult struct {
	// Done is false if there was something in the database already. Then nothing was changed and nothing else is set.
	Done             bool
	OrganisationID   int64
	OrganisationName string
	ProjectID        int64
	ProjectName      string
	AdminEmail       string
	AdminPassword    string // "" unless it was generated
	AdminToken       string
	Environments     []BootstrapEnvironment // Development, Production
}

// BootstrapEnvironment is an environment of a new installation.
type BootstrapEnvironment struct {
	ID        int64
	Name      string
	ClientKey string
	ServerKey string
}

// Bootstrap fills an empty database (no user, organisation or project) in one transaction: an organisation, a superuser who is
// its administrator, a project with realtime updates, its environments with a server-side key each, and a small set of
// features that shows what there is. Of several nodes that do it at once one succeeds and the others find it done.
func (s *Store) Bootstrap(ctx context.Context, p BootstrapParams) (BootstrapResult, error) {
	p.OrganisationName = cmp.Or(p.OrganisationName, "Default Organisation")
	p.ProjectName = cmp.Or(p.ProjectName, "Default Project")
	p.AdminEmail = cmp.Or(p.AdminEmail, "admin@example.com")
	generated := ""
	if p.AdminPassword == "" {
		generated = newKey()
		p.AdminPassword = generated
	}
	if empty, err := isEmpty(ctx, s.read); err != nil || !empty {
		return BootstrapResult{}, wrapBootstrap(mapErr(ctx, err)) // the usual start: do not hash a password for nothing
	}
	hash, err := s.hashPassword(p.AdminPassword)
	if err != nil {
		return BootstrapResult{}, wrapBootstrap(err)
	}
	var r BootstrapResult
	_, err = s.mutate(ctx, func(t *tx) error {
		r = BootstrapResult{}
		if err := t.lockBootstrap(ctx); err != nil {
			return err
		}
		if empty, err := isEmpty(ctx, t); err != nil || !empty {
			return err
		}
		r, err = t.bootstrap(ctx, p, hash)
		r.AdminPassword = generated
		return err
	})
	if err != nil {
		return BootstrapResult{}, wrapBootstrap(err)
	}
	return r, nil
}

func wrapBootstrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bootstrap: %w", err)
}

const lockBootstrap = `SELECT pg_advisory_xact_lock(7316204116)` // beside the number that migrations lock by

// lockBootstrap makes nodes that start together come one after another. SQLite's transaction has locked the whole file.
func (t *tx) lockBootstrap(ctx context.Context) error {
	if t.dialect.name == sqliteDialect.name {
		return nil
	}
	_, err := t.ExecContext(ctx, lockBootstrap)
	return mapErr(ctx, err)
}

func isEmpty(ctx context.Context, q querier) (bool, error) {
	for what, query := range map[string]string{
		"users": countUsers, "organisations": countOrganisations, "projects": countProjects,
	} {
		if n, err := count(ctx, q, what, query); err != nil || n > 0 {
			return false, err
		}
	}
	return true, nil
}

func (t *tx) bootstrap(ctx context.Context, p BootstrapParams, passwordHash string) (BootstrapResult, error) {
	r := BootstrapResult{
		Done: true, OrganisationName: p.OrganisationName, ProjectName: p.ProjectName, AdminEmail: p.AdminEmail,
	}
	var err error
	if r.OrganisationID, err = t.createOrganisation(ctx, NewOrganisation{Name: p.OrganisationName}); err != nil {
		return r, err
	}
	admin, err := t.createUser(ctx, NewUser{Email: p.AdminEmail, Staff: true, Superuser: true}, passwordHash)
	if err != nil {
		return r, err
	}
	if err := t.addMember(ctx, r.OrganisationID, admin.ID, RoleAdmin); err != nil {
		return r, err
	}
	if r.AdminToken, err = t.createToken(ctx, admin.ID); err != nil {
		return r, err
	}
	r.ProjectID, err = t.createProject(ctx, NewProject{
		OrganisationID: r.OrganisationID, Name: p.ProjectName, EnableRealtimeUpdates: true,
	})
	if err != nil {
		return r, err
	}
	for _, e := range []BootstrapEnvironment{
		{Name: "Development", ClientKey: p.ClientKey, ServerKey: p.ServerKey}, {Name: "Production"},
	} {
		env, err := t.createEnvironment(ctx, NewEnvironment{ProjectID: r.ProjectID, Name: e.Name, APIKey: e.ClientKey})
		if err != nil {
			return r, err
		}
		key, err := t.createServerKey(ctx, NewServerKey{EnvironmentID: env.ID, Name: "Default", Key: e.ServerKey})
		if err != nil {
			return r, err
		}
		r.Environments = append(r.Environments, BootstrapEnvironment{
			ID: env.ID, Name: e.Name, ClientKey: env.APIKey, ServerKey: key.Key,
		})
	}
	if p.Empty {
		return r, nil
	}
	return r, t.createSamples(ctx, r.ProjectID, r.Environments[0].ID, r.Environments[1].ID)
}
