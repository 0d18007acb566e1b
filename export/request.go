// Package export takes sealed batches of encoded spans and gives them to an OTLP upstream, or to a person's eyes.
package export

import (
	"google.golang.org/grpc/mem"

	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// Field numbers of ExportTraceServiceRequest and ResourceSpans (opentelemetry/proto/trace/v1/trace.proto).
const (
	requestResourceSpans = 1
	resourceScopeSpans   = 2
)

// request is an ExportTraceServiceRequest made of a batch without copying its spans. It may be sent several times; the
// chunks stay referenced until the transport lets each of its copies go.
type request struct {
	batch *ring.Batch
}

// Buffers gives references to the request's bytes: headers of our own, and parts of the batch's chunks.
func (r *request) Buffers() mem.BufferSlice {
	var out mem.BufferSlice
	r.pieces(func(header []byte) { out = append(out, mem.SliceBuffer(header)) }, func(k *ring.Chunk, runs []ring.Run) {
		bytes := k.Bytes()
		k.Retain()
		chunk := mem.NewBuffer(&bytes, releaser{k})
		out = append(out, chunk.Slice(runs[0].Start, runs[len(runs)-1].End))
		chunk.Free()
	})
	return out
}

// pieces walks the request in order: the header before each group of spans with one resource, then the group's bytes,
// chunk by chunk. Runs of one chunk that follow each other are given together.
func (r *request) pieces(header func([]byte), spans func(*ring.Chunk, []ring.Run)) {
	chunks := r.batch.Chunks
	for c, i := 0, 0; c < len(chunks); {
		resource := chunks[c].Runs()[i].Resource
		// The group ends at the first run with another resource, perhaps some chunks later.
		size, toC, toI := 0, c, i
		for toC < len(chunks) {
			runs := chunks[toC].Runs()
			for toI < len(runs) && runs[toI].Resource == resource {
				size += runs[toI].End - runs[toI].Start
				toI++
			}
			if toI < len(runs) {
				break
			}
			toC, toI = toC+1, 0
		}
		header(heading(resource, size))
		for c < toC || c == toC && i < toI {
			runs := chunks[c].Runs()
			end := len(runs)
			if c == toC {
				end = toI
			}
			spans(chunks[c], runs[i:end])
			if i = end; i == len(runs) {
				c, i = c+1, 0
			}
		}
	}
}

// heading gives what stands before size bytes of spans of one resource.
func heading(r *ring.Resource, size int) []byte {
	scope := len(r.Scope) + size
	all := len(r.Head) + 1 + wire.SizeVarint(uint64(scope)) + scope
	b := make([]byte, 0, 32+len(r.Head)+len(r.Scope))
	b = wire.AppendVarint(append(b, requestResourceSpans<<3|wire.Bytes), uint64(all))
	b = append(b, r.Head...)
	b = wire.AppendVarint(append(b, resourceScopeSpans<<3|wire.Bytes), uint64(scope))
	return append(b, r.Scope...)
}

// releaser gives a chunk back when the transport has dropped its last reference to it.
type releaser struct{ chunk *ring.Chunk }

// Get is part of the interface; nothing is allocated from here.
func (releaser) Get(int) *[]byte { panic("export: a releaser has no buffers") }

// Put releases the chunk.
func (r releaser) Put(*[]byte) { r.chunk.Release() }
