package red

import (
	"encoding/hex"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// exemplars are those of a histogram, one for each classic bucket.
type exemplars [numClassic]atomic.Pointer[exemplar]

// exemplar is a request whose trace was kept.
type exemplar struct {
	trace    [16]byte
	span     [8]byte
	duration time.Duration
	at       int64 // Unix nanoseconds
}

// fresh is how long an exemplar stays at least: with it, allocations are rare.
const fresh = int64(time.Second)

// note makes a request the exemplar of its bucket unless there is a fresh one.
func (s *series) note(d time.Duration, trace [16]byte, span [8]byte, at time.Time) {
	all := s.exemplars.Load()
	if all == nil {
		s.exemplars.CompareAndSwap(nil, new(exemplars))
		all = s.exemplars.Load()
	}
	e, now := &all[classic(bucket(d))], at.UnixNano()
	if was := e.Load(); was == nil || now-was.at >= fresh {
		e.CompareAndSwap(was, &exemplar{trace, span, max(d, 0), now})
	}
}

// exemplar gives the exemplar of a classic bucket, nil if there is none.
func (s *series) exemplar(bucket int) *dto.Exemplar {
	all := s.exemplars.Load()
	if all == nil {
		return nil
	}
	e := all[bucket].Load()
	if e == nil {
		return nil
	}
	return &dto.Exemplar{
		Label: []*dto.LabelPair{
			{Name: new("trace_id"), Value: new(hex.EncodeToString(e.trace[:]))},
			{Name: new("span_id"), Value: new(hex.EncodeToString(e.span[:]))},
		},
		Value:     new(seconds(uint64(e.duration))),
		Timestamp: timestamppb.New(time.Unix(0, e.at)),
	}
}
