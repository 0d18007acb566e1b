package red

import (
	"math"
	"time"
)

// Buckets are numbered from the shortest durations: 0 has those up to 2^-17 seconds, native bucket n of schema 3, which ends at
// 2^(n/8) seconds, is bucket n+first, and the last one has those above 2^10 seconds.
const (
	schema     = 3
	perDouble  = 1 << schema // buckets in a power of two
	lowest     = -17
	highest    = 10
	first      = -lowest * perDouble
	numBuckets = (highest-lowest)*perDouble + 2
)

// Classic buckets end at powers of two, the last one at infinity.
const (
	lowestClassic  = -9
	highestClassic = 4
	numClassic     = highestClassic - lowestClassic + 2
)

const mantissa = 52 // bits of it in a float64

// bounds are the mantissas of the ends of the buckets in a power of two: of 2^(n/8), as all implementations of native histograms
// have it.
var bounds = [perDouble + 1]uint64{0, 0x172b83c7d517b, 0x306fe0a31b715, 0x4bfdad5362a27, 0x6a09e667f3bcc, 0x8ace5422aa0db,
	0xae89f995ad3ac, 0xd5818dcfba486, 1 << mantissa}

// cells give for the first four bits of a mantissa the first bound that is not below them: no cell has two bounds.
var cells = [16]uint8{0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8}

// bucket gives the bucket of a duration. Its end is in the bucket.
func bucket(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	// 1e-9 is not exact, but the product is on the right side of all ends, and a division takes three times as long.
	v := math.Float64bits(float64(d) * 1e-9)
	m := v & (1<<mantissa - 1)
	i := int(cells[m>>(mantissa-4)])
	if m > bounds[i&15] {
		i++
	}
	power := int(v>>mantissa) - 1023
	return min(max(power*perDouble+i+first, 0), numBuckets-1)
}

// classic gives the classic bucket that a bucket is a part of.
func classic(b int) int {
	const end = (lowestClassic - lowest) * perDouble // the bucket that ends where the first classic one does
	return min(max(b-end+perDouble-1, 0)/perDouble, numClassic-1)
}
