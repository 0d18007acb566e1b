package sampler

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/zeebo/xxh3"
)

// frequencies gives rates by which frequent keys are sampled more strictly than rare ones, so that of all spans one of the goal is kept.
//
// It is Refinery's EMA dynamic sampler: what comes with a key in an interval is averaged over intervals, and of what may be kept each
// key has a part by the logarithm of its average, but at least one. Two things are different: the rates hold the goal also when there
// are more keys than may be kept, and keys that were not there before have a rate in common, which is 1 unless there are many of them.
type frequencies struct {
	goal float64 // of so many one is kept

	mu    sync.Mutex
	since time.Time          // when the interval began
	now   map[uint64]float64 // what came in it, by the hash of the key
	came  float64            // all of that
	mean  map[uint64]float64 // an interval, of keys that are not too rare
	all   float64            // the mean of came
	rates map[uint64]float64 // nil until the first interval is over
}

const (
	adjust  = 15 * time.Second // the interval
	mostKey = 1000             // that are told apart in an interval
	newKeys = 0                // where all that come with an unknown key are counted, too
	weight  = 0.5              // of the interval that is over, in the mean
	rarest  = 0.25             // a mean below is forgotten

	// An interval ends early when so much more comes than usual.
	burst    = 2
	soonest  = time.Second
	mostCalm = 1000 // spans, which are no burst yet
)

func newFrequencies(goal int) *frequencies {
	return &frequencies{goal: float64(goal), now: map[uint64]float64{}, mean: map[uint64]float64{}}
}

// rate counts a span with that key and gives of how many like it one is kept: 1 or more.
func (f *frequencies) rate(key []byte, at time.Time) float64 {
	h := max(xxh3.Hash(key), newKeys+1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since.IsZero() {
		f.since = at
	}
	if d := at.Sub(f.since); d >= adjust || d >= soonest && f.came > mostCalm && f.rates != nil && f.came > burst*f.all {
		f.learn(float64(adjust) / float64(d))
		f.since = at
	}
	f.came++
	_, counted := f.now[h]
	if counted || len(f.now) < mostKey {
		f.now[h]++
	}
	if f.rates == nil {
		if !counted {
			f.now[newKeys]++
		}
		return f.goal
	}
	rate, known := f.rates[h]
	if !known {
		f.now[newKeys]++
		rate = max(f.rates[newKeys], 1)
	}
	return rate
}

// learn ends an interval; scale makes its counts those of a whole one.
func (f *frequencies) learn(scale float64) {
	part := weight
	if f.rates == nil {
		part = 1
	}
	for h, mean := range f.mean {
		if f.mean[h] = mean * (1 - part); f.now[h] == 0 && f.mean[h] < rarest {
			delete(f.mean, h)
		}
	}
	for h, n := range f.now {
		f.mean[h] += part * n * scale
	}
	f.mean[newKeys] = f.now[newKeys] * scale // they are not new any more
	f.all = f.all*(1-part) + part*f.came*scale
	clear(f.now)
	f.came = 0
	f.rates = f.newRates()
}

// newRates shares what may be kept among the keys. The rarest come first: what they leave goes to the others.
func (f *frequencies) newRates() map[uint64]float64 {
	type frequency struct {
		hash uint64
		mean float64
	}
	var list []frequency
	logs := 0.0
	for h, mean := range f.mean {
		list = append(list, frequency{h, mean})
		logs += math.Log10(max(mean, 1))
	}
	slices.SortFunc(list, func(a, b frequency) int { return cmp.Or(cmp.Compare(a.mean, b.mean), cmp.Compare(a.hash, b.hash)) })
	room := f.all / f.goal
	rates, kept, left := map[uint64]float64{}, 0.0, 0.0
	for i, k := range list {
		part := 1.0
		if logs > 0 {
			part = max(part, math.Log10(max(k.mean, 1))*room/logs)
		}
		part += left / float64(len(list)-i)
		left -= left / float64(len(list)-i)
		rate := max(k.mean/part, 1)
		left += part - k.mean/rate
		kept += k.mean / rate
		rates[k.hash] = rate
	}
	if over := kept / room; over > 1 {
		for h := range rates {
			rates[h] *= over
		}
	}
	return rates
}
