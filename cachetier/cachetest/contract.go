package cachetest

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagstaff-io/flagstaff/cachetier"
)

// TestTier is the contract of cachetier.Tier. open returns a tier that is empty and whose server is up; it cleans up
// after itself.
func TestTier(t *testing.T, open func(t *testing.T) cachetier.Tier) {
	key := cachetier.Key{Namespace: "contract", ID: "key"}

	t.Run("a key that was never set is a miss", func(t *testing.T) {
		_, err := open(t).Get(t.Context(), key)
		require.ErrorIs(t, err, cachetier.ErrMiss)
	})

	t.Run("an entry comes back as it was set", func(t *testing.T) {
		for _, body := range []string{"", "{}", "\x00\xff binary", strings.Repeat("a large body ", 20_000)} {
			tier := open(t)
			want := NewEntry(body, 1<<53+1)
			require.NoError(t, tier.Set(t.Context(), key, want))
			got, err := tier.Get(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, body, string(got.Body))
			require.Equal(t, want.ETag, got.ETag)
			require.Equal(t, want.Version, got.Version)
			require.True(t, want.ModifiedAt.Equal(got.ModifiedAt), "%v became %v", want.ModifiedAt, got.ModifiedAt)
		}
	})

	t.Run("the caller may reuse its buffers", func(t *testing.T) {
		tier := open(t)
		e := NewEntry("body", 1)
		require.NoError(t, tier.Set(t.Context(), key, e))
		copy(e.Body, "\xcc\xcc\xcc\xcc")
		got, err := tier.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, "body", string(got.Body))
		copy(got.Body, "\xcc\xcc\xcc\xcc")
		got, err = tier.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, "body", string(got.Body))
	})

	for _, row := range []struct {
		name        string
		sets        []cachetier.Entry
		want        string
		wantVersion int64
	}{
		{"newer replaces older", []cachetier.Entry{NewEntry("one", 1), NewEntry("two", 2)}, "two", 2},
		{"older does not replace newer", []cachetier.Entry{NewEntry("two", 2), NewEntry("one", 1)}, "two", 2},
		{"equal replaces equal, to repair it", []cachetier.Entry{NewEntry("bad", 1), NewEntry("good", 1)}, "good", 1},
		{"versions compare as numbers", []cachetier.Entry{NewEntry("ten", 10), NewEntry("nine", 9)}, "ten", 10},
		{"versions beyond 2^53 are exact", []cachetier.Entry{NewEntry("b", 1<<53+1), NewEntry("a", 1<<53)}, "b", 1<<53 + 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			tier := open(t)
			for _, e := range row.sets {
				require.NoError(t, tier.Set(t.Context(), key, e))
			}
			got, err := tier.Get(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, row.want, string(got.Body))
			require.Equal(t, row.wantVersion, got.Version)
		})
	}

	t.Run("keys and namespaces are apart", func(t *testing.T) {
		tier := open(t)
		keys := []cachetier.Key{
			{Namespace: "a", ID: "b"}, {Namespace: "a", ID: "b:c"}, {Namespace: "a:b", ID: "c"}, {Namespace: "b", ID: "a"},
			{Namespace: "a", ID: "b c\r\n\x00ü"}, {Namespace: "a", ID: strings.Repeat("long", 500)},
		}
		for i, k := range keys {
			require.NoError(t, tier.Set(t.Context(), k, NewEntry("body", int64(i+1))))
		}
		for i, k := range keys {
			got, err := tier.Get(t.Context(), k)
			require.NoError(t, err)
			require.EqualValues(t, i+1, got.Version, "%q", k)
		}
	})

	t.Run("delete spares what is newer", func(t *testing.T) {
		tier := open(t)
		require.NoError(t, tier.Delete(t.Context(), key, 9), "of a key that is not there")
		require.NoError(t, tier.Set(t.Context(), key, NewEntry("body", 3)))
		require.NoError(t, tier.Delete(t.Context(), key, 2))
		_, err := tier.Get(t.Context(), key)
		require.NoError(t, err)
		require.NoError(t, tier.Delete(t.Context(), key, 3))
		_, err = tier.Get(t.Context(), key)
		require.ErrorIs(t, err, cachetier.ErrMiss)
	})

	t.Run("of concurrent sets the newest stays", func(t *testing.T) {
		tier := open(t)
		const n = 64
		var wg sync.WaitGroup
		errs := make([]error, n)
		for i, v := range rand.Perm(n) {
			wg.Go(func() { errs[i] = tier.Set(t.Context(), key, NewEntry("body", int64(v+1))) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		got, err := tier.Get(t.Context(), key)
		require.NoError(t, err)
		require.EqualValues(t, n, got.Version)
	})
}
