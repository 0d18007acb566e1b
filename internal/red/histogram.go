package red

import (
	"math"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ends are the upper bounds of the classic buckets.
var ends = [numClassic]float64{1. / 512, 1. / 256, 1. / 128, 1. / 64, 1. / 32, 1. / 16, 1. / 8, 1. / 4, 1. / 2, 1, 2, 4, 8, 16, math.Inf(1)}

// histogram is a histogram at a scrape, with room for what dto.Histogram points at.
type histogram struct {
	dto.Histogram
	buckets [numClassic]dto.Bucket
	list    [numClassic]*dto.Bucket
	counts  [numClassic]uint64 // cumulative
	sum     float64
}

func seconds(nanoseconds uint64) float64 { return float64(nanoseconds) / 1e9 }

// read gives the histogram of a side. It begins with the sum: what is in it but not in the buckets yet was just being counted.
func (s *series) read(side Kind, made *timestamppb.Timestamp) *histogram {
	h := &histogram{sum: seconds(s.sum[side].Load())}
	native := len(s.buckets[side]) == numBuckets
	if native {
		h.native(s)
	} else {
		for i := range s.buckets[side] {
			h.counts[i] = s.buckets[side][i].Load()
		}
	}
	for i := range h.counts[1:] {
		h.counts[i+1] += h.counts[i]
	}
	for i := range h.buckets {
		b := &h.buckets[i]
		b.CumulativeCount, b.UpperBound, b.Exemplar = &h.counts[i], &ends[i], s.exemplar(i)
		h.list[i] = b
		if native && b.Exemplar != nil {
			h.Exemplars = append(h.Exemplars, b.Exemplar)
		}
	}
	h.Bucket, h.SampleCount, h.SampleSum, h.CreatedTimestamp = h.list[:], &h.counts[numClassic-1], &h.sum, made
	if h.buckets[numClassic-1].Exemplar == nil {
		h.Bucket = h.list[:numClassic-1] // the bucket up to infinity is implied
	}
	return h
}

// native fills in the native buckets, and counts the classic ones.
func (h *histogram) native(s *series) {
	h.Schema, h.ZeroThreshold = new(int32(schema)), new(math.Ldexp(1, lowest))
	const gap = 2 // empty buckets that are not worth a new span
	var before int64
	next := 0
	for i := range s.buckets[0] {
		n := s.buckets[0][i].Load()
		h.counts[classic(i)] += n
		if i == 0 {
			h.ZeroCount = new(n)
			continue
		}
		if n == 0 {
			continue
		}
		at := i - first // its number in the schema
		if len(h.PositiveSpan) == 0 || at-next > gap {
			h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: new(int32(at - next)), Length: new(uint32(0))})
			next = at
		}
		for ; next <= at; next++ {
			count := int64(0)
			if next == at {
				count = int64(n)
			}
			h.PositiveDelta = append(h.PositiveDelta, count-before)
			*h.PositiveSpan[len(h.PositiveSpan)-1].Length++
			before = count
		}
	}
}
