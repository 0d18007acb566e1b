package wire

// Span is a flat view of an encoded opentelemetry.proto.trace.v1.Span: a table of where its values stand. It borrows the
// input, and is reused from one span to the next.
type Span struct {
	in         []byte
	attributes []Place // KeyValues
	SpanFacts
}

// SpanFacts is what a span says besides its attributes.
type SpanFacts struct {
	TraceID, SpanID, ParentID Place
	Name                      Place
	Kind                      int32
	Flags                     uint32
	Start, End                uint64 // nanoseconds since 1970
}

// Walk makes s a view of the encoded Span b, and looks at every string in it. What it gives is broken only when s is of no
// use.
func (s *Span) Walk(b []byte) Health {
	s.in, s.SpanFacts = b, SpanFacts{}
	if s.attributes = s.attributes[:0]; cap(s.attributes) > keepFields {
		s.attributes = nil
	}
	for i := 0; i < len(b); {
		key, v, next := field(b, i, len(b))
		if i = next; next < 0 {
			return Broken
		}
		switch p := (Place{uint32(v), uint32(next)}); key {
		case 1<<3 | Bytes:
			s.TraceID = p
		case 2<<3 | Bytes:
			s.SpanID = p
		case 4<<3 | Bytes:
			s.ParentID = p
		case 5<<3 | Bytes:
			s.Name = p
		case 6<<3 | Varint:
			s.Kind = int32(v)
		case 7<<3 | Fixed64:
			s.Start = v
		case 8<<3 | Fixed64:
			s.End = v
		case 9<<3 | Bytes:
			if len(s.attributes) < maxFields {
				s.attributes = append(s.attributes, p)
			}
		case 16<<3 | Fixed32:
			s.Flags = uint32(v)
		}
	}
	return spanTexts.look(b, 0, len(b), 0)
}

// Bytes gives what stands at p.
func (s *Span) Bytes(p Place) []byte { return s.in[p.from:p.to:p.to] }

// Attribute gives the string of the attribute with that key, false when there is none or it is no string. Of a key that is
// there twice the last value counts.
func (s *Span) Attribute(key string) (value []byte, ok bool) {
	for i := len(s.attributes) - 1; i >= 0; i-- {
		// message KeyValue { string key = 1; AnyValue value = 2; }, message AnyValue { oneof { string string_value = 1; ... } }
		at, found := s.attributes[i], false
		for i, end := int(at.from), int(at.to); i < end; {
			k, v, next := field(s.in, i, end)
			switch i = next; k {
			case 1<<3 | Bytes:
				found = string(s.in[v:next]) == key
			case 2<<3 | Bytes:
				k, v, end := field(s.in, int(v), next)
				ok = k == 1<<3|Bytes && end == next
				value = s.in[v:max(end, int(v))]
			}
		}
		if found {
			return value, ok
		}
	}
	return nil, false
}

// AppendRepaired appends the span with its strings repaired, and gives how many there were: for one that is Poisoned.
func (s *Span) AppendRepaired(dst []byte) ([]byte, int) {
	n := 0
	return spanTexts.appendRepaired(dst, s.in, &n), n
}
