package sampler

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/internal/sampling"
)

// Budget finds the threshold that lets no more through than is wanted. It counts what comes by the randomness of its trace: the
// highest goes first, so the threshold is where the budget ends. What has to be kept comes before all else; only when that alone is
// more than the budget is it thinned, too.
type Budget struct {
	spans, bytes float64 // a second; 0 is any number
	usual, must  offers
	last         time.Time
}

// offers are what came, by what is missing of the randomness to 2^56: in eighths of powers of two.
type offers struct {
	now   [offerBuckets]struct{ spans, bytes atomic.Int64 }
	rates [offerBuckets]struct{ spans, bytes float64 } // a second, smoothed
	known float64                                      // seconds of which the rates are
	limit atomic.Uint64                                // the threshold
}

const offerBuckets = 8 * 57

func newBudget(spans int, bytes int64) *Budget {
	return &Budget{spans: float64(spans), bytes: float64(bytes), last: time.Now()}
}

// bucketOf gives the bucket of a randomness r, 56 bits.
func bucketOf(r uint64) int {
	missing := uint64(sampling.Never) - r // from 1 to 2^56
	n := bits.Len64(missing)              // from 1 to 57
	return (n-1)*8 + int(missing<<(64-n)>>60&7)
}

// lowest gives the least that is missing in a bucket; that of the one behind is where it ends.
func lowest(bucket int) uint64 {
	return uint64(8+bucket%8) << (bucket / 8) >> 3
}

// take counts a span and gives the threshold for it.
func (b *Budget) take(r uint64, bytes int, forced bool) sampling.Threshold {
	o := &b.usual
	if forced {
		o = &b.must
	}
	n := &o.now[bucketOf(r)]
	n.spans.Add(1)
	n.bytes.Add(int64(bytes))
	return sampling.Threshold(o.limit.Load())
}

func (b *Budget) threshold(forced bool) sampling.Threshold {
	if forced {
		return sampling.Threshold(b.must.limit.Load())
	}
	return sampling.Threshold(b.usual.limit.Load())
}

// smooth is how much of a rate is what came in the last Interval: a burst is known after a second. What came in less time counts less.
const smooth = 0.3

// tick finds the thresholds anew.
func (b *Budget) tick() {
	now := time.Now()
	elapsed := now.Sub(b.last).Seconds()
	if elapsed <= 0 {
		return
	}
	b.last = now
	b.usual.measure(elapsed)
	b.must.measure(elapsed)
	spans, bytes := b.must.fit(b.spans, b.bytes)
	b.usual.fit(left(b.spans, spans), left(b.bytes, bytes))
}

// left gives what is left of a budget: as good as nothing, but not 0, which is any number.
func left(budget, used float64) float64 {
	if budget == 0 {
		return 0
	}
	return max(budget-used, budget/1e6)
}

func (o *offers) measure(seconds float64) {
	o.known += seconds
	weight := max(1-math.Pow(1-smooth, seconds/Interval.Seconds()), seconds/o.known)
	for i := range o.now {
		n, rate := &o.now[i], &o.rates[i]
		rate.spans += weight * (float64(n.spans.Swap(0))/seconds - rate.spans)
		rate.bytes += weight * (float64(n.bytes.Swap(0))/seconds - rate.bytes)
	}
}

// fit sets the limit that lets so much through, and gives what that is.
func (o *offers) fit(spans, bytes float64) (usedSpans, usedBytes float64) {
	for i := range o.rates {
		rate := &o.rates[i]
		part := min(share(spans, usedSpans, rate.spans), share(bytes, usedBytes, rate.bytes))
		usedSpans += part * rate.spans
		usedBytes += part * rate.bytes
		if part < 1 {
			from, to := float64(lowest(i)), float64(lowest(i+1))
			o.limit.Store(uint64(sampling.FromProbability((from + part*(to-from)) / (1 << 56))))
			return usedSpans, usedBytes
		}
	}
	o.limit.Store(uint64(sampling.Always))
	return usedSpans, usedBytes
}

// share gives how much of more there is room for.
func share(budget, used, more float64) float64 {
	if budget == 0 || used+more <= budget {
		return 1
	}
	return max(budget-used, 0) / more
}

// inherit takes over what another budget knows.
func (b *Budget) inherit(old *Budget) {
	b.usual.rates, b.must.rates = old.usual.rates, old.must.rates
	b.usual.known, b.must.known = old.usual.known, old.must.known
	b.usual.limit.Store(old.usual.limit.Load())
	b.must.limit.Store(old.must.limit.Load())
}
