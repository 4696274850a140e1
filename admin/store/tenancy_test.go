package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

func TestSettingsReachDocuments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		org, err := st.CreateOrganisation(ctx, store.NewOrganisation{Name: "Acme"})
		require.NoError(t, err)
		var projects, envs []int64
		for _, name := range []string{"Shop", "Blog"} {
			p, err := st.CreateProject(ctx, store.NewProject{OrganisationID: org, Name: name})
			require.NoError(t, err)
			projects = append(projects, p)
			envs = append(envs, addEnvironment(t, st, p, "Development"), addEnvironment(t, st, p, "Production"))
		}
		doc := document(t, st, envs[0])
		require.True(t, doc.AllowClientTraits)
		require.True(t, doc.UseIdentityCompositeKeyForHashing)
		require.True(t, doc.UseIdentityOverridesInLocalEval)
		require.True(t, doc.Project.Organisation.PersistTraitData)
		require.Nil(t, doc.HideDisabledFlags)

		changes, err := st.UpdateOrganisation(ctx, org, store.OrganisationSettings{
			PersistTraitData: new(false), StopServingFlags: new(true), FeatureAnalytics: new(true),
		})
		require.NoError(t, err)
		requireChanged(t, st, changes, envs...)

		changes, err = st.UpdateProject(ctx, projects[0], store.ProjectSettings{
			HideDisabledFlags: new(true), EnableRealtimeUpdates: new(true), Name: new("Store"),
		})
		require.NoError(t, err)
		requireChanged(t, st, changes, envs[:2]...)

		changes, err = st.UpdateEnvironment(ctx, envs[0], store.EnvironmentSettings{
			AllowClientTraits: new(false), HideSensitiveData: new(true), UseIdentityOverridesInLocalEval: new(false),
			UseIdentityCompositeKeyForHashing: new(false), HideDisabledFlags: new(new(false)), Name: new("Dev"),
		})
		require.NoError(t, err)
		requireChanged(t, st, changes, envs[0])

		doc = document(t, st, envs[0])
		require.False(t, doc.Project.Organisation.PersistTraitData)
		require.True(t, doc.Project.Organisation.StopServingFlags)
		require.True(t, doc.Project.Organisation.FeatureAnalytics)
		require.Equal(t, "Acme", doc.Project.Organisation.Name)
		require.True(t, doc.Project.HideDisabledFlags)
		require.True(t, doc.Project.EnableRealtimeUpdates)
		require.Equal(t, "Store", doc.Project.Name)
		require.False(t, doc.AllowClientTraits)
		require.True(t, doc.HideSensitiveData)
		require.False(t, doc.UseIdentityOverridesInLocalEval)
		require.False(t, doc.UseIdentityCompositeKeyForHashing)
		require.Equal(t, new(false), doc.HideDisabledFlags)
		require.Equal(t, "Dev", doc.Name)

		changes, err = st.UpdateEnvironment(ctx, envs[0], store.EnvironmentSettings{HideDisabledFlags: new((*bool)(nil))})
		require.NoError(t, err)
		requireChanged(t, st, changes, envs[0])
		doc = document(t, st, envs[0])
		require.Nil(t, doc.HideDisabledFlags, "as the project says, again")
		require.False(t, doc.AllowClientTraits, "what was not named stays")
	})
}

// requireChanged tells whether exactly these environments changed, and whether changes says what the database has.
func requireChanged(t *testing.T, st *store.Store, changes []store.Change, envs ...int64) {
	t.Helper()
	require.Len(t, changes, len(envs))
	for i, c := range changes {
		require.Equal(t, envs[i], c.EnvironmentID)
		version, err := st.DocumentVersion(t.Context(), c.EnvironmentID)
		require.NoError(t, err)
		require.Equal(t, version, c.Version)
		require.Equal(t, document(t, st, c.EnvironmentID).UpdatedAt, c.UpdatedAt)
	}
}

func TestVersionAndDateStrictlyIncrease(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		clock := newTestClock(noon)
		st := storetest.Open(t, store.Config{URL: url, Now: clock.Now})
		env := newEnvironment(t, st)
		last := document(t, st, env)
		for _, now := range []time.Time{
			noon.Add(time.Second), noon.Add(time.Second), noon.Add(time.Second + 400*time.Nanosecond), // within one microsecond
			noon.Add(-time.Hour), // the clock was set back
			noon.Add(time.Hour),
		} {
			clock.set(now)
			changes, err := st.UpdateEnvironment(t.Context(), env, store.EnvironmentSettings{Name: new(now.String())})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			require.Equal(t, last.Version+1, changes[0].Version)
			require.True(t, changes[0].UpdatedAt.After(last.UpdatedAt), "%s after %s", changes[0].UpdatedAt, last.UpdatedAt)
			last = document(t, st, env)
		}
		require.Equal(t, noon.Add(time.Hour), last.UpdatedAt, "the clock's own time as soon as it is ahead again")
	})
}

func TestTenancyErrors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		_, err := st.CreateOrganisation(ctx, store.NewOrganisation{})
		require.ErrorIs(t, err, store.ErrInvalid)
		_, err = st.CreateProject(ctx, store.NewProject{OrganisationID: 1, Name: "Shop"})
		require.ErrorIs(t, err, store.ErrConflict)
		_, err = st.CreateProject(ctx, store.NewProject{OrganisationID: 99, Name: "Other"})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.UpdateOrganisation(ctx, 99, store.OrganisationSettings{})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.UpdateProject(ctx, 99, store.ProjectSettings{})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.UpdateEnvironment(ctx, 99, store.EnvironmentSettings{})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.UpdateProject(ctx, project, store.ProjectSettings{Name: new("a\x00b")})
		require.ErrorIs(t, err, store.ErrInvalid)
		_, err = st.DocumentVersion(ctx, 99)
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.BuildDocument(ctx, 99)
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}
