package store_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

func TestBootstrap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		r, err := st.Bootstrap(ctx, store.BootstrapParams{})
		require.NoError(t, err)
		require.True(t, r.Done)
		require.Equal(t, "Default Organisation", r.OrganisationName)
		require.Equal(t, "Default Project", r.ProjectName)
		require.Equal(t, "admin@example.com", r.AdminEmail)
		require.Len(t, r.AdminPassword, 22)

		admin, err := st.CheckPassword(ctx, r.AdminEmail, r.AdminPassword)
		require.NoError(t, err)
		require.True(t, admin.Superuser)
		byToken, err := st.UserByToken(ctx, r.AdminToken)
		require.NoError(t, err)
		require.Equal(t, admin, byToken)
		require.EqualValues(t, 1, queryInt(t, st.ReadDB(), "SELECT COUNT(*) FROM organisation_members WHERE role = 'ADMIN'"))

		require.Len(t, r.Environments, 2)
		for i, name := range []string{"Development", "Production"} {
			env := r.Environments[i]
			require.Equal(t, name, env.Name)
			for _, key := range []string{env.ClientKey, env.ServerKey} {
				k, err := st.LookupKey(ctx, key)
				require.NoError(t, err)
				require.Equal(t, env.ID, k.EnvironmentID)
				require.Equal(t, key == env.ServerKey, k.Server)
			}
			doc := document(t, st, env.ID)
			require.Equal(t, name, doc.Name)
			require.EqualValues(t, 1, doc.Version)
			require.True(t, doc.Project.EnableRealtimeUpdates)
			require.Len(t, doc.FeatureStates, 9)
			require.Len(t, doc.Project.Segments, 3)
			require.Len(t, doc.Project.ServerKeyOnlyFeatureID, 1)
		}
		require.Len(t, document(t, st, r.Environments[0].ID).IdentityOverrides, 1)

		again, err := st.Bootstrap(ctx, store.BootstrapParams{})
		require.NoError(t, err)
		require.Equal(t, store.BootstrapResult{}, again)
	})
}

func TestBootstrapAsAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		r, err := st.Bootstrap(t.Context(), store.BootstrapParams{
			OrganisationName: "Acme", ProjectName: "Shop", AdminEmail: "root@acme.test", AdminPassword: "correct horse",
			ClientKey: "client", ServerKey: "ser.server", Empty: true,
		})
		require.NoError(t, err)
		require.Empty(t, r.AdminPassword, "only a generated one is shown")
		require.Equal(t, "client", r.Environments[0].ClientKey)
		require.Equal(t, "ser.server", r.Environments[0].ServerKey)
		_, err = st.CheckPassword(t.Context(), "root@acme.test", "correct horse")
		require.NoError(t, err)
		doc := document(t, st, r.Environments[0].ID)
		require.Equal(t, "Acme", doc.Project.Organisation.Name)
		require.Equal(t, "Shop", doc.Project.Name)
		require.Empty(t, doc.FeatureStates)
	})
}

func TestBootstrapAllOrNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		_, err := st.Bootstrap(t.Context(), store.BootstrapParams{ServerKey: "without the prefix"})
		require.ErrorIs(t, err, store.ErrInvalid)
		n, err := st.CountUsers(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		r, err := st.Bootstrap(t.Context(), store.BootstrapParams{})
		require.NoError(t, err)
		require.True(t, r.Done)
	})
}

func TestBootstrapLeavesAnythingAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		_, err := st.CreateUser(t.Context(), store.NewUser{Email: "a@b"})
		require.NoError(t, err)
		r, err := st.Bootstrap(t.Context(), store.BootstrapParams{})
		require.NoError(t, err)
		require.False(t, r.Done)
	})
}

func TestBootstrapByManyNodes(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		var (
			wg      sync.WaitGroup
			results [4]store.BootstrapResult
		)
		for i := range results {
			st := storetest.Open(t, store.Config{URL: url}) // each node has pools of its own
			wg.Go(func() {
				r, err := st.Bootstrap(t.Context(), store.BootstrapParams{})
				if err != nil {
					t.Error(err)
				}
				results[i] = r
			})
		}
		wg.Wait()
		done := 0
		for _, r := range results {
			if r.Done {
				done++
			}
		}
		require.Equal(t, 1, done)
		n, err := storetest.Open(t, store.Config{URL: url}).CountProjects(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}
