package wire

import "math"

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
	TraceState                Place
	Name                      Place
	Kind                      int32
	Flags                     uint32
	Start, End                uint64 // nanoseconds since 1970
	StatusCode                int32
	Dropped                   uint32 // attributes
	events                    Place  // from the first event to the end of the last one, and what is between
}

// Walk makes s a view of the encoded Span b, and looks at every string in it. What it gives is broken only when s is of no
// use.
func (s *Span) Walk(b []byte) Health { return s.walk(b, true) }

// Scan is Walk for a span whose strings were looked at before.
func (s *Span) Scan(b []byte) { s.walk(b, false) }

func (s *Span) walk(b []byte, look bool) (h Health) {
	s.in, s.SpanFacts = b, SpanFacts{}
	if s.attributes = s.attributes[:0]; cap(s.attributes) > keepFields {
		s.attributes = nil
	}
	for i := 0; i < len(b); {
		start := i
		key, v, next := field(b, i, len(b))
		if i = next; next < 0 {
			return Broken
		}
		p := Place{uint32(v), uint32(next)}
		if key == spanAttribute<<3|Bytes {
			if len(s.attributes) < maxFields {
				s.attributes = append(s.attributes, p)
			}
			if look && !isPlainAttribute(b[v:next]) {
				if h = max(h, keyValueTexts.look(b, int(v), next, 1)); h == Broken {
					return h
				}
			}
			continue
		}
		switch key {
		case 1<<3 | Bytes:
			s.TraceID = p
		case 2<<3 | Bytes:
			s.SpanID = p
		case 3<<3 | Bytes:
			s.TraceState = p
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
		case 10<<3 | Varint:
			s.Dropped = uint32(v)
		case 11<<3 | Bytes:
			if s.events.to == 0 {
				s.events.from = uint32(start)
			}
			s.events.to = uint32(next)
		case 15<<3 | Bytes:
			s.StatusCode = statusCode(b[v:next], s.StatusCode)
		case 16<<3 | Fixed32:
			s.Flags = uint32(v)
		}
		if look {
			if h = max(h, spanTexts.lookField(b, key, int(v), next, 0)); h == Broken {
				return h
			}
		}
	}
	return h
}

// message Status { string message = 2; StatusCode code = 3; }
func statusCode(b []byte, code int32) int32 {
	for r := Read(b); r.Next(); {
		if r.Key == 3<<3|Varint {
			code = int32(r.Int)
		}
	}
	return code
}

const spanAttribute = 9

// isPlainAttribute tells whether b is exactly a key and a string, of less than 126 bytes each, all in ASCII: as nearly all
// attributes are.
func isPlainAttribute(b []byte) bool {
	if len(b) < 6 || b[0] != 1<<3|Bytes || !ASCII(b) {
		return false
	}
	k := 2 + int(b[1])
	return k+4 <= len(b) && b[k] == 2<<3|Bytes && k+2+int(b[k+1]) == len(b) && b[k+2] == 1<<3|Bytes && k+4+int(b[k+3]) == len(b)
}

// ValidIDs tells whether the ids are such as OTLP has them: 16 bytes and 8, not all zero. There may be no parent.
func (s *Span) ValidIDs() bool {
	return s.TraceID.Len() == 16 && s.SpanID.Len() == 8 && !isZero(s.Bytes(s.TraceID)) && !isZero(s.Bytes(s.SpanID)) &&
		(s.ParentID.Len() == 0 || s.ParentID.Len() == 8)
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// HasEvents tells whether the span has any event, and HasEvent whether it has one with that name.
func (s *Span) HasEvents() bool { return s.events.to != 0 }

// HasEvent is explained at HasEvents.
func (s *Span) HasEvent(name string) bool {
	for r := Read(s.Bytes(s.events)); r.Next(); {
		if r.Key != 11<<3|Bytes {
			continue
		}
		var last []byte
		for e := Read(r.Bytes); e.Next(); { // message Event { fixed64 time_unix_nano = 1; string name = 2; ... }
			if e.Key == 2<<3|Bytes {
				last = e.Bytes
			}
		}
		if string(last) == name {
			return true
		}
	}
	return false
}

// Bytes gives what stands at p.
func (s *Span) Bytes(p Place) []byte { return s.in[p.from:p.to:p.to] }

// Input gives the encoded span, in which the places are.
func (s *Span) Input() []byte { return s.in }

// Len gives the number of attributes.
func (s *Span) Len() int { return len(s.attributes) }

// Key gives the key of an attribute, and Attribute its key and, if it is a string, its value. A key that is there twice
// counts with its last value.
func (s *Span) Key(i int) []byte {
	key, _, _ := s.Attribute(i)
	return key
}

// Attribute is explained at Key.
//
//	message KeyValue { string key = 1; AnyValue value = 2; }
//	message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ... } }
func (s *Span) Attribute(n int) (key []byte, value Place, isString bool) {
	return attribute(s.in, int(s.attributes[n].from), int(s.attributes[n].to))
}

// Number gives the value of an attribute that is a number or, as 0 or 1, a truth value.
func (s *Span) Number(n int) (v float64, ok bool) {
	for r := Read(s.Bytes(s.attributes[n])); r.Next(); {
		if r.Key != 2<<3|Bytes {
			continue
		}
		for a := Read(r.Bytes); a.Next(); { // of a oneof the last one counts
			switch a.Key {
			case 2<<3 | Varint:
				v, ok = float64(a.Int), true
			case 3<<3 | Varint:
				v, ok = float64(int64(a.Int)), true
			case 4<<3 | Fixed64:
				v, ok = math.Float64frombits(a.Int), true
			default:
				v, ok = 0, false
			}
		}
	}
	return v, ok
}

// attribute takes the KeyValue in[from:end] apart.
func attribute(in []byte, from, end int) (key []byte, value Place, isString bool) {
	// Nearly always it is exactly a key and a string, of less than 126 bytes each.
	if from+4 <= end && in[from] == 1<<3|Bytes && in[from+1] < 0x80 {
		k := from + 2 + int(in[from+1])
		if k+4 <= end && in[k] == 2<<3|Bytes && k+2+int(in[k+1]) == end && in[k+2] == 1<<3|Bytes && k+4+int(in[k+3]) == end {
			return in[from+2 : k : k], Place{uint32(k + 4), uint32(end)}, true
		}
	}
	for i := from; i < end; {
		k, v, next := field(in, i, end)
		if next < 0 {
			break
		}
		switch i = next; k {
		case 1<<3 | Bytes:
			key = in[v:next:next]
		case 2<<3 | Bytes:
			for i, end := int(v), next; i < end; {
				k, v, next := field(in, i, end)
				if next < 0 {
					break
				}
				switch i = next; k { // of a oneof the last one counts
				case 1<<3 | Bytes:
					isString, value = true, Place{uint32(v), uint32(next)}
				case 2<<3 | Varint, 3<<3 | Varint, 4<<3 | Fixed64, 5<<3 | Bytes, 6<<3 | Bytes, 7<<3 | Bytes, 8<<3 | Varint:
					isString, value = false, Place{}
				}
			}
		}
	}
	return key, value, isString
}

// StringAttribute gives the key and the value of the encoded KeyValue b, false if the value is no string.
func StringAttribute(b []byte) (key, value []byte, ok bool) {
	key, at, ok := attribute(b, 0, len(b))
	return key, at.of(b), ok
}

// AppendWithout appends the span without the attributes that have that key.
func (s *Span) AppendWithout(dst []byte, key string) []byte {
	for i := 0; i < len(s.in); {
		k, v, next := field(s.in, i, len(s.in))
		if next < 0 {
			return dst
		}
		if k == 9<<3|Bytes {
			if name, _, _ := StringAttribute(s.in[v:next]); string(name) == key {
				i = next
				continue
			}
		}
		dst = append(dst, s.in[i:next]...)
		i = next
	}
	return dst
}

// AppendRepaired appends the span with its strings repaired, and gives how many there were: for one that is Poisoned.
func (s *Span) AppendRepaired(dst []byte) ([]byte, int) {
	n := 0
	return spanTexts.appendRepaired(dst, s.in, &n), n
}
