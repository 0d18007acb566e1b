package load

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/mark"
)

// template is one encoded item, framed as a field of the list that it belongs to, and where its ids and times lie.
type template struct {
	bytes                    []byte
	trace, span, request     []int // offsets of text: hexadecimal ids, UUIDs
	rawTrace, rawSpan        int   // offsets of binary ids; 0 if there are none
	startSeconds, startNanos int   // offsets of varints; 0 if there are none
	nanoSize                 int
	fixedStart, fixedEnd     int // offsets of fixed64 times; 0 if there are none
	node                     int // offset of the digits in the id of the node; 0 if there are none
	duration                 time.Duration
}

// A timestamp's nanoseconds take four or five bytes, so there is a template for either; the few that would take less are
// written in four all the same, which every decoder accepts.
const fiveBytes = 1 << 28

// entryTemplates gives all shapes, in the two sizes of the start time's nanoseconds.
func entryTemplates(h Headers) (wide, narrow []template, err error) {
	for n := range shapes {
		for _, nanos := range []int{fiveBytes + 1<<20, fiveBytes - 1<<20} {
			start := time.Unix(1_800_000_000, int64(nanos))
			e := entry(n, h, start)
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
			if err != nil {
				return nil, nil, fmt.Errorf("cannot encode shape %d: %w", n, err)
			}
			t := template{duration: duration(n)}
			t.bytes = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b) // HTTPAccessLogEntries.log_entry
			t.trace, t.span, t.request = find(t.bytes, markTrace), find(t.bytes, markSpan), find(t.bytes, markRequest)
			at, err := proto.Marshal(e.CommonProperties.StartTime)
			if err != nil {
				return nil, nil, fmt.Errorf("cannot encode a start time: %w", err)
			}
			found := find(t.bytes, string(at))
			if len(found) != 1 {
				return nil, nil, fmt.Errorf("cannot find the start time of shape %d: %d places", n, len(found))
			}
			t.startSeconds, t.startNanos = found[0]+1, found[0]+7
			if t.nanoSize = len(at) - 7; t.nanoSize == 5 {
				wide = append(wide, t)
			} else {
				narrow = append(narrow, t)
			}
		}
	}
	return wide, narrow, nil
}

func find(b []byte, what string) (at []int) {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(what))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(what)
	}
}

// put appends the item to dst as item id, which ended at end.
func (t *template) put(dst []byte, id mark.ID, end int64) []byte {
	at := len(dst)
	dst = append(dst, t.bytes...)
	b := dst[at:]
	trace, span := id.Trace(), id.Span()
	for _, o := range t.trace {
		hex.Encode(b[o:], trace[:])
	}
	for _, o := range t.span {
		hex.Encode(b[o:], span[:])
	}
	if len(t.request) > 0 {
		first := t.request[0]
		id.PutRequestID(b[first:])
		for _, o := range t.request[1:] {
			copy(b[o:], b[first:first+mark.RequestIDSize])
		}
	}
	start := end - int64(t.duration)
	if t.startSeconds > 0 {
		putVarint(b[t.startSeconds:], uint64(start/1e9), 5)
		putVarint(b[t.startNanos:], uint64(start%1e9), t.nanoSize)
	}
	if t.rawTrace > 0 {
		copy(b[t.rawTrace:], trace[:])
		copy(b[t.rawSpan:], span[:])
		binary.LittleEndian.PutUint64(b[t.fixedStart:], uint64(start))
		binary.LittleEndian.PutUint64(b[t.fixedEnd:], uint64(end))
	}
	return dst
}

// putVarint writes v in exactly size bytes.
func putVarint(dst []byte, v uint64, size int) {
	for i := range size - 1 {
		dst[i] = byte(v) | 0x80
		v >>= 7
	}
	dst[size-1] = byte(v) & 0x7f
}

// Entries gives one encoded HTTPAccessLogEntry of each shape, for the benchmarks of the stages.
func Entries(h Headers) (list [][]byte, err error) {
	wide, _, err := entryTemplates(h)
	for i := range wide {
		e, _ := protowire.ConsumeBytes(wide[i].bytes[1:])
		list = append(list, e)
	}
	return list, err
}
