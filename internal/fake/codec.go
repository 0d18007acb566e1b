package fake

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// codec passes messages as their encoded bytes: it sends a []byte and receives into a *[]byte. The transport may still
// refer to sent bytes after the send has returned, so they must never be changed. Received bytes are a copy.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T: not encoded bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive into a %T", v)
	}
	*p = data.Materialize()
	return nil
}
