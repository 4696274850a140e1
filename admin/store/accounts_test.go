package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

func TestAccounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		long := strings.Repeat("long ", 40) + "é\x00end" // over the 72 bytes at which bcrypt stops
		user, err := st.CreateUser(ctx, store.NewUser{Email: "Ann@Example.com", Password: long, FirstName: "Ann", Superuser: true})
		require.NoError(t, err)
		require.True(t, user.Active)
		require.Nil(t, user.LastLogin)

		got, err := st.CheckPassword(ctx, "ann@example.COM", long)
		require.NoError(t, err)
		require.Equal(t, user, got)
		for _, wrong := range []string{"", "long", long[:80], long + "x", strings.TrimSuffix(long, "end")} {
			_, err = st.CheckPassword(ctx, "ann@example.com", wrong)
			require.ErrorIs(t, err, store.ErrNotFound, "%q", wrong)
		}
		for _, unknown := range []string{"", "bob@example.com", "a@\x00", "@\xff"} {
			_, err = st.CheckPassword(ctx, unknown, long)
			require.ErrorIs(t, err, store.ErrNotFound, "%q", unknown)
		}
		_, err = st.CreateUser(ctx, store.NewUser{Email: "ANN@example.com"})
		require.ErrorIs(t, err, store.ErrConflict)
		for _, bad := range []string{"", "ann", "@", "a@\x00", strings.Repeat("a", 254) + "@"} {
			_, err = st.CreateUser(ctx, store.NewUser{Email: bad})
			require.ErrorIs(t, err, store.ErrInvalid, "%q", bad)
		}
		bob, err := st.CreateUser(ctx, store.NewUser{Email: "bob@example.com"})
		require.NoError(t, err)
		_, err = st.CheckPassword(ctx, "bob@example.com", "")
		require.ErrorIs(t, err, store.ErrNotFound, "no password is not an empty one")

		for _, user := range []store.User{user, bob} {
			first, err := st.CreateToken(ctx, user.ID)
			require.NoError(t, err)
			require.Regexp(t, `^[0-9a-f]{40}$`, first)
			second, err := st.CreateToken(ctx, user.ID)
			require.NoError(t, err)
			for _, token := range []string{first, second} {
				got, err = st.UserByToken(ctx, token)
				require.NoError(t, err)
				require.Equal(t, user, got)
				require.EqualValues(t, 0, queryInt(t, st.ReadDB(), "SELECT COUNT(*) FROM user_tokens WHERE token_hash = $1", token))
			}
			require.NoError(t, st.DeleteToken(ctx, first))
			require.ErrorIs(t, st.DeleteToken(ctx, first), store.ErrNotFound)
			_, err = st.UserByToken(ctx, first)
			require.ErrorIs(t, err, store.ErrNotFound)
			_, err = st.UserByToken(ctx, second)
			require.NoError(t, err)
		}
		_, err = st.UserByToken(ctx, "")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.CreateToken(ctx, 99)
		require.ErrorIs(t, err, store.ErrNotFound)

		org, err := st.CreateOrganisation(ctx, store.NewOrganisation{Name: "Acme"})
		require.NoError(t, err)
		require.NoError(t, st.AddMember(ctx, org, user.ID, store.RoleAdmin))
		require.ErrorIs(t, st.AddMember(ctx, org, user.ID, store.RoleUser), store.ErrConflict)
		require.ErrorIs(t, st.AddMember(ctx, org, 99, store.RoleUser), store.ErrNotFound)
		require.ErrorIs(t, st.AddMember(ctx, org, bob.ID, "OWNER"), store.ErrInvalid)

		for want, count := range map[int64]func() (int64, error){
			2: func() (int64, error) { return st.CountUsers(ctx) },
			1: func() (int64, error) { return st.CountOrganisations(ctx) },
			0: func() (int64, error) { return st.CountProjects(ctx) },
		} {
			n, err := count()
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
	})
}
