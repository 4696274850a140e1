package store_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/admin/store"
	"github.com/flagstaff-io/flagstaff/admin/store/storetest"
)

func TestKeyring(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env, changes, err := st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "Production"})
		require.NoError(t, err)
		require.Regexp(t, `^[2-9A-HJ-NP-Za-km-z]{22}$`, env.APIKey)
		require.Len(t, changes, 1)
		require.EqualValues(t, 1, changes[0].Version, "the first document is version 1")

		key, err := st.LookupKey(ctx, env.APIKey)
		require.NoError(t, err)
		require.Equal(t, store.Key{EnvironmentID: env.ID, Active: true}, key)

		server, err := st.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env.ID, Name: "backend"})
		require.NoError(t, err)
		require.Regexp(t, `^ser\.[2-9A-HJ-NP-Za-km-z]{22}$`, server.Key)
		key, err = st.LookupKey(ctx, server.Key)
		require.NoError(t, err)
		require.Equal(t, store.Key{EnvironmentID: env.ID, Server: true, Active: true}, key)

		expires := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		require.NoError(t, st.SetServerKey(ctx, server.ID, false, &expires))
		key, err = st.LookupKey(ctx, server.Key)
		require.NoError(t, err)
		require.Equal(t, store.Key{EnvironmentID: env.ID, Server: true, ExpiresAt: &expires}, key)
		require.NoError(t, st.SetServerKey(ctx, server.ID, true, nil))
		key, err = st.LookupKey(ctx, server.Key)
		require.NoError(t, err)
		require.Nil(t, key.ExpiresAt)
		require.ErrorIs(t, st.SetServerKey(ctx, server.ID+1, true, nil), store.ErrNotFound)

		off, err := st.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env.ID, Key: "ser.given", Inactive: true})
		require.NoError(t, err)
		require.Equal(t, "ser.given", off.Key)
		key, err = st.LookupKey(ctx, "ser.given")
		require.NoError(t, err)
		require.False(t, key.Active)

		for _, unknown := range []string{"", "ser.", "nobody", "ser.nobody", strings.ToUpper(env.APIKey), env.APIKey + " ", "a\x00b", "\xff"} {
			_, err := st.LookupKey(ctx, unknown)
			require.ErrorIs(t, err, store.ErrNotFound, "%q", unknown)
		}
		version, err := st.DocumentVersion(ctx, env.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, version, "keys are no part of the document")
	})
}

func TestKeysAreUnique(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env, _, err := st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "A", APIKey: "given"})
		require.NoError(t, err)
		require.Equal(t, "given", env.APIKey)
		_, _, err = st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "B", APIKey: "given"})
		require.ErrorIs(t, err, store.ErrConflict)
		_, err = st.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env.ID, Key: "ser.given"})
		require.NoError(t, err)
		_, err = st.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env.ID, Key: "ser.given"})
		require.ErrorIs(t, err, store.ErrConflict)

		require.NoError(t, st.DeleteEnvironment(ctx, env.ID))
		_, err = st.LookupKey(ctx, "given")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.LookupKey(ctx, "ser.given")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, _, err = st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "B", APIKey: "given"})
		require.ErrorIs(t, err, store.ErrConflict, "the key of a deleted environment stays taken")
		ids, err := st.EnvironmentIDs(ctx)
		require.NoError(t, err)
		require.Empty(t, ids, "the refused environment left nothing behind")
		require.ErrorIs(t, st.DeleteEnvironment(ctx, env.ID), store.ErrNotFound)
	})
}

func TestKeysThatAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		project := newProject(t, st)
		env := addEnvironment(t, st, project, "A")
		for _, key := range []string{"ser.x", strings.Repeat("k", 101), "nul\x00", "\xff"} {
			_, _, err := st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project, Name: "B", APIKey: key})
			require.ErrorIs(t, err, store.ErrInvalid, "client-side %q", key)
		}
		for _, key := range []string{"x", "ser.", "ser." + strings.Repeat("k", 97), "ser.\x00"} {
			_, err := st.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env, Key: key})
			require.ErrorIs(t, err, store.ErrInvalid, "server-side %q", key)
		}
		_, err := st.CreateServerKey(ctx, store.NewServerKey{EnvironmentID: env + 1})
		require.ErrorIs(t, err, store.ErrNotFound)
		_, _, err = st.CreateEnvironment(ctx, store.NewEnvironment{ProjectID: project + 1, Name: "B"})
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestRandomKeys(t *testing.T) {
	alphabet := regexp.MustCompile(`^[2-9A-HJ-NP-Za-km-z]{22}$`)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 2000 {
		key, id := store.NewKey(), store.NewUUID()
		require.Regexp(t, alphabet, key)
		require.Regexp(t, uuid, id)
		require.False(t, seen[key] || seen[id])
		seen[key], seen[id] = true, true
	}
}
