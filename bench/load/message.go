package load

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/buffers"
	"github.com/alspan/alspan/bench/mark"
	"github.com/alspan/alspan/internal/wire"
)

// corpus is what all streams share: the templates of one protocol. It is never changed.
type corpus struct {
	wide, narrow []template // of the start time's nanoseconds; the same for spans
	resource     []byte     // OTLP only
	prefixes     [][]byte   // ALS: what the first message of each stream begins with
}

func newCorpus(o *Options) (*corpus, error) {
	c := &corpus{}
	var err error
	if o.Protocol == OTLP {
		if c.resource, err = resourceField(); err != nil {
			return nil, err
		}
		c.wide, err = spanTemplates()
		c.narrow = c.wide
		return c, err
	}
	if c.wide, c.narrow, err = entryTemplates(o.Headers); err != nil {
		return nil, err
	}
	for s := range o.Streams {
		b, err := proto.Marshal(identifier(s))
		if err != nil {
			return nil, err
		}
		c.prefixes = append(c.prefixes, b)
	}
	return c, nil
}

// composer writes the messages of one stream. It belongs to one goroutine.
type composer struct {
	*corpus
	next   int // the shape that comes next
	chosen []*template
}

// items chooses the templates of n items that ended at end, and gives their size.
func (c *composer) items(n int, end int64) (size int) {
	c.chosen = c.chosen[:0]
	for range n {
		t := &c.wide[c.next]
		if nanos := (end - int64(t.duration)) % 1e9; nanos < fiveBytes {
			t = &c.narrow[c.next]
		}
		c.next = (c.next + 1) % len(c.wide)
		c.chosen = append(c.chosen, t)
		size += len(t.bytes)
	}
	return size
}

func (c *composer) put(dst []byte, id mark.ID, end int64) []byte {
	for _, t := range c.chosen {
		dst = t.put(dst, id, end)
		id.Seq++
	}
	return dst
}

// als appends a StreamAccessLogsMessage with n entries, numbered from id, behind a prefix.
func (c *composer) als(pool *buffers.Pool, prefix []byte, n int, id mark.ID, end int64) *[]byte {
	size := c.items(n, end)
	buf := pool.Get(len(prefix) + size + 8)
	dst := append((*buf)[:0], prefix...)
	dst = wire.AppendVarint(protowire.AppendTag(dst, 2, protowire.BytesType), uint64(size)) // http_logs
	*buf = c.put(dst, id, end)
	return buf
}

// otlp appends an ExportTraceServiceRequest with n spans.
func (c *composer) otlp(pool *buffers.Pool, n int, id mark.ID, end int64) *[]byte {
	size := c.items(n, end)
	inner := len(c.resource) + 1 + wire.SizeVarint(uint64(size)) + size
	buf := pool.Get(inner + 8)
	dst := wire.AppendVarint(protowire.AppendTag((*buf)[:0], 1, protowire.BytesType), uint64(inner)) // resource_spans
	dst = append(dst, c.resource...)
	dst = wire.AppendVarint(protowire.AppendTag(dst, 2, protowire.BytesType), uint64(size)) // scope_spans
	*buf = c.put(dst, id, end)
	return buf
}
