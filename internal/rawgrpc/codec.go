// Package rawgrpc takes gRPC messages as the transport has them and gives their encoded bytes: a codec that never
// builds a message object.
package rawgrpc

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// Message is one received message. The transport's buffers stay referenced until Free.
type Message struct {
	buf mem.Buffer
}

// Bytes gives the message's bytes: borrowed, valid until Free.
func (m *Message) Bytes() []byte {
	if m.buf == nil {
		return nil
	}
	return m.buf.ReadOnlyData()
}

// Free lets the bytes go. A Message may then be received into again.
func (m *Message) Free() {
	if m.buf != nil {
		m.buf.Free()
		m.buf = nil
	}
}

// Sender is a message that can be sent: Buffers gives references to its encoded bytes, which the transport frees.
type Sender interface {
	Buffers() mem.BufferSlice
}

// Codec is the codec for both directions: it sends a Sender and receives into a *Message. Pool is where a message that
// arrived in several pieces is put together. It is named "proto", since protobuf is what is on the wire.
type Codec struct{ Pool mem.BufferPool }

// Marshal gives the bytes of a Sender.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	s, ok := v.(Sender)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T: not encoded bytes", v)
	}
	return s.Buffers(), nil
}

// Unmarshal keeps a reference to the received bytes in a *Message.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*Message)
	if !ok {
		return fmt.Errorf("cannot receive into a %T", v)
	}
	m.Free()
	m.buf = data.MaterializeToBuffer(c.Pool)
	return nil
}

// Name is part of the content type.
func (Codec) Name() string { return "proto" }

// Empty is a message without fields.
type Empty struct{}

// Buffers gives no bytes at all.
func (Empty) Buffers() mem.BufferSlice { return nil }

// Encoded is a message that is encoded already. It must not be changed once it was sent.
type Encoded []byte

// Buffers gives the bytes.
func (e Encoded) Buffers() mem.BufferSlice { return mem.BufferSlice{mem.SliceBuffer(e)} }
