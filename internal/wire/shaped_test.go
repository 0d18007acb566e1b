package wire

import (
	"math"
	"math/rand/v2"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A shaper writes messages of the official schema that are nearly right: fields in any order and several times, members
// of one oneof after one another, sometimes another wire type, an unknown field, a group, an over-long or a cut value.
// Each of its decisions takes a byte; without any left it writes no further field.
type shaper struct {
	decisions []byte
	depth     int
}

func (s *shaper) next(below int) int {
	if len(s.decisions) == 0 {
		return 0
	}
	d := s.decisions[0]
	s.decisions = s.decisions[1:]
	return int(d) % below
}

func shapedEntry(decisions []byte, tcp bool) []byte {
	s := &shaper{decisions: decisions}
	if tcp {
		return s.message(new(alsv3.TCPAccessLogEntry).ProtoReflect().Descriptor())
	}
	return s.message(new(alsv3.HTTPAccessLogEntry).ProtoReflect().Descriptor())
}

func shapedNode(decisions []byte) []byte {
	s := &shaper{decisions: decisions}
	return s.message(new(corev3.Node).ProtoReflect().Descriptor())
}

// someDecisions gives the same strings of decisions every time.
func someDecisions(n int) [][]byte {
	r := rand.NewChaCha8([32]byte{1})
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, 40+37*i%800)
		r.Read(all[i])
	}
	return all
}

func (s *shaper) message(md protoreflect.MessageDescriptor) (b []byte) {
	s.depth++
	defer func() { s.depth-- }()
	for n := s.next(10); n > 0 && len(s.decisions) > 0; n-- {
		fields := md.Fields()
		fd := fields.Get(s.next(fields.Len()))
		num, typ := fd.Number(), wireType(fd.Kind())
		switch s.next(64) {
		case 1: // a number that is not in the schema, or none at all
			num = []protowire.Number{0, 63, 200, 19000, protowire.MaxValidNumber, protowire.MaxValidNumber + 1}[s.next(6)]
		case 2:
			typ = protowire.Type(s.next(8))
		}
		b = s.varint(b, uint64(num)<<3|uint64(typ))
		b = s.value(b, num, typ, fd)
	}
	return b
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind:
		return protowire.Fixed64Type
	case protoreflect.Fixed32Kind:
		return protowire.Fixed32Type
	}
	return protowire.VarintType
}

func (s *shaper) value(b []byte, num protowire.Number, typ protowire.Type, fd protoreflect.FieldDescriptor) []byte {
	switch typ {
	case protowire.VarintType:
		return s.varint(b, []uint64{0, 1, 2, 127, 200, 65535, math.MaxInt32, 1 << 32, 1<<32 + 1, math.MaxUint64, 1 << 63, 3}[s.next(12)])
	case protowire.Fixed32Type:
		return append(b, "four"...)
	case protowire.Fixed64Type:
		return append(b, "eight888"...)
	case protowire.BytesType:
		v := s.bytes(fd)
		size := uint64(len(v))
		switch s.next(100) {
		case 1:
			size++ // takes the next field's first byte, or is cut
		case 2:
			size = math.MaxUint64 - uint64(s.next(3))
		}
		return append(s.varint(b, size), v...)
	case protowire.StartGroupType:
		b = AppendUint(b, 1, 5)
		b = AppendBytes(b, 2, "in a group")
		if s.next(8) == 1 {
			num++
		}
		return protowire.AppendTag(b, num, protowire.EndGroupType)
	}
	return b // an end without a start, or a type that does not exist
}

func (s *shaper) bytes(fd protoreflect.FieldDescriptor) []byte {
	if md := fd.Message(); md != nil && s.depth < 6 {
		return s.message(md)
	}
	return []byte([]string{"", "a", "key", "/path?q=1", "\xff\xfe", "grüße", "key\xc3", "0123456789abcdef0123456789abcdef"}[s.next(8)])
}

// varint is sometimes longer than it need be, up to one byte too long, and sometimes does not fit in 64 bits.
func (s *shaper) varint(b []byte, v uint64) []byte {
	b = AppendVarint(b, v)
	switch s.next(100) {
	case 1, 2, 3:
		for n := s.next(6); n > 0; n-- {
			b[len(b)-1] |= 0x80
			b = append(b, 0)
		}
	case 4:
		b[len(b)-1] |= 0x80
		b = append(b, "\xff\xff\xff\xff\x7f"[s.next(5):]...)
	}
	return b
}

func TestShapedMessages(t *testing.T) {
	var e Entry
	well := 0
	all := someDecisions(6000)
	for i, decisions := range all {
		tcp := i%4 == 0
		b := shapedEntry(decisions, tcp)
		checkEntry(t, &e, b, tcp)
		checkNode(t, shapedNode(decisions))
		if e.WalkHTTP(b) {
			well++
		}
	}
	if well < len(all)/4 || well > len(all)*9/10 {
		t.Errorf("%d of %d messages are well-formed: the test does not try what it should", well, len(all))
	}
}
