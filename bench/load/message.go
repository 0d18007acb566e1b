package load

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/buffers"
	"github.com/alspan/alspan/internal/wire"
)

// corpus is what all streams share: the templates of one protocol. It is never changed.
type corpus struct {
	wide, narrow []template // of the start time's nanoseconds; the same for spans
	probes       []template // OTLP only, where there are any
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
		component := envoyComponent
		if o.Foreign {
			component = otherComponent
		}
		if c.wide, err = spanTemplates(component, ""); err == nil && o.Probes > 0 {
			c.probes, err = spanTemplates(component, probeAgent)
		}
		c.narrow = c.wide
		return c, err
	}
	headers := o.Headers
	if o.Protocol == Both && o.Halves.Every == 0 {
		headers = Unsampled
	}
	if c.wide, c.narrow, err = entryTemplates(headers); err != nil {
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
	node   int // whose spans they are
	chosen []*template
}

// items chooses the templates of n items, and gives their size.
func (c *composer) items(n int, numbers *numbers) (size int) {
	c.chosen = c.chosen[:0]
	for i := range n {
		t := &c.wide[c.next]
		if nanos := (numbers.end(uint64(i)) - int64(t.duration)) % 1e9; nanos < fiveBytes {
			t = &c.narrow[c.next]
		}
		if c.probes != nil && numbers.nth(uint64(i)) {
			t = &c.probes[c.next]
		}
		c.next = (c.next + 1) % len(c.wide)
		c.chosen = append(c.chosen, t)
		size += len(t.bytes)
	}
	return size
}

func (c *composer) put(dst []byte, numbers *numbers) []byte {
	for i, t := range c.chosen {
		at := len(dst)
		dst = t.put(dst, numbers.id(uint64(i)), numbers.end(uint64(i)))
		if t.node > 0 {
			putNode(dst[at+t.node:], c.node)
		}
		if reason := numbers.reason(uint64(i)); reason != 0 {
			for _, o := range t.request {
				dst[at+o+reasonAt] = reason
			}
		}
	}
	return dst
}

// als appends a StreamAccessLogsMessage with n entries behind a prefix.
func (c *composer) als(pool *buffers.Pool, prefix []byte, n int, numbers *numbers) *[]byte {
	size := c.items(n, numbers)
	buf := pool.Get(len(prefix) + size + 8)
	dst := append((*buf)[:0], prefix...)
	dst = wire.AppendVarint(protowire.AppendTag(dst, 2, protowire.BytesType), uint64(size)) // http_logs
	*buf = c.put(dst, numbers)
	return buf
}

// otlp appends an ExportTraceServiceRequest with n spans.
func (c *composer) otlp(pool *buffers.Pool, n int, numbers *numbers) *[]byte {
	size := c.items(n, numbers)
	inner := len(c.resource) + 1 + wire.SizeVarint(uint64(size)) + size
	buf := pool.Get(inner + 8)
	dst := wire.AppendVarint(protowire.AppendTag((*buf)[:0], 1, protowire.BytesType), uint64(inner)) // resource_spans
	dst = append(dst, c.resource...)
	dst = wire.AppendVarint(protowire.AppendTag(dst, 2, protowire.BytesType), uint64(size)) // scope_spans
	*buf = c.put(dst, numbers)
	return buf
}
