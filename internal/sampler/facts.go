package sampler

import (
	"math"
	"time"

	"github.com/alspan/alspan/internal/wire"
)

// facts are what is asked of all spans.
type facts struct {
	start, end uint64
	status     int32
	traceState []byte
}

const statusError = 2

func (f *facts) duration() time.Duration {
	return time.Duration(min(max(f.end, f.start)-f.start, math.MaxInt64))
}

func (f *facts) read(span []byte) {
	*f = facts{}
	for i := 0; i < len(span); {
		if i+2 < len(span) && span[i] == spanAttributes<<3|wire.Bytes { // as nearly all: of up to 16 KiB it is passed here
			n, from := int(span[i+1]), i+2
			if n >= 0x80 {
				n, from = n&0x7f|int(span[i+2])<<7, i+3
			}
			if n < 1<<14 && from+n <= len(span) {
				i = from + n
				continue
			}
		}
		r := wire.Read(span[i:])
		if !r.Next() {
			return
		}
		i = len(span) - r.Rest()
		f.field(&r)
	}
}

func (f *facts) field(r *wire.Reader) {
	switch r.Key {
	case spanTraceState<<3 | wire.Bytes:
		f.traceState = r.Bytes
	case 7<<3 | wire.Fixed64:
		f.start = r.Int
	case 8<<3 | wire.Fixed64:
		f.end = r.Int
	case 15<<3 | wire.Bytes: // message Status { string message = 2; StatusCode code = 3; }
		for s := wire.Read(r.Bytes); s.Next(); {
			if s.Key == 3<<3|wire.Varint {
				f.status = int32(s.Int)
			}
		}
	}
}
