package flagsmith

import (
	"crypto/md5" // not for security: it defines the buckets of released flags
	"encoding/binary"
	"math/bits"
	"sort"
)

// A bucket is the place of an id list on the scale that percentages are compared with: an integer 0..9997, which stands
// for bucketPercent(r). Compile turns every percentage into a bound on it, so that evaluation compares integers.
const (
	numBuckets   = 9998
	bucketModulo = 9999
)

// bucketPercent is the value in percent that bucket r stands for, in the arithmetic that decides on boundaries. Spec
// section 4.1; the vectors are in testdata/hashes.json.
func bucketPercent(r int) float64 { return float64(r) / 9998 * 100 }

// bucketOf hashes text, which is an id list joined by commas. It appends to text (whose result it returns, for its
// capacity) in the one case in 9999 where the hash falls on 100 % and the list is repeated until it does not.
func bucketOf(text []byte) (int, []byte) {
	once := len(text)
	for {
		sum := md5.Sum(text)
		hi, lo := binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])
		if r := bits.Rem64(hi, lo, bucketModulo); r != bucketModulo-1 {
			return int(r), text
		}
		text = append(text, ',')
		text = append(text, text[:once]...)
	}
}

// bucketsBelow returns how many buckets are below percent: those in [0, n).
func bucketsBelow(percent float64) int {
	return sort.Search(numBuckets, func(r int) bool { return bucketPercent(r) >= percent })
}

// bucketsUpTo returns how many buckets are below percent or on it. Of NaN, none.
func bucketsUpTo(percent float64) int {
	return sort.Search(numBuckets, func(r int) bool { return !(bucketPercent(r) <= percent) })
}
