package flagsmith

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBucketOf(t *testing.T) {
	raw, err := os.ReadFile("testdata/hashes.json")
	require.NoError(t, err)
	var rows []struct {
		IDs     []string
		MD5     string
		Bucket  int
		Percent float64
	}
	require.NoError(t, json.Unmarshal(raw, &rows))
	for _, row := range rows {
		text := strings.Join(row.IDs, ",")
		if sum := md5.Sum([]byte(text)); row.MD5 != "" {
			require.Equal(t, row.MD5, hex.EncodeToString(sum[:]), text)
		}
		bucket, _ := bucketOf([]byte(text))
		require.Equal(t, row.Bucket, bucket, text)
		require.Equal(t, row.Percent, bucketPercent(bucket), text)
	}
	bucket, _ := bucketOf([]byte("foo,bar,foo,bar,foo,bar"))
	require.Equal(t, 85.37707541508301, bucketPercent(bucket), "a list three times over")
}

// The integer bounds must say for every bucket what the comparison of floats says.
func TestBucketBounds(t *testing.T) {
	percents := []float64{
		math.NaN(), math.Inf(-1), -1, math.Copysign(0, -1), 0, math.SmallestNonzeroFloat64, 0.01, 0.1, 10, 33.33, 45.77, 50, 54.54,
		99.98, 99.99, 100, 101, math.Inf(1),
	}
	for r := 0; r < numBuckets; r += 331 {
		at := bucketPercent(r)
		percents = append(percents, at, math.Nextafter(at, -1), math.Nextafter(at, 101))
	}
	for _, percent := range percents {
		below, upTo := bucketsBelow(percent), bucketsUpTo(percent)
		for r := range numBuckets {
			require.Equal(t, bucketPercent(r) <= percent, r < upTo, "%v <= %v", bucketPercent(r), percent)
			if percent == percent {
				require.Equal(t, bucketPercent(r) < percent, r < below, "%v < %v", bucketPercent(r), percent)
			}
		}
	}
}
