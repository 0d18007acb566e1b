package correlation

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The official runtime refuses strings that are not UTF-8, and Envoy sends such strings. So each such byte stands in the
// decoded message as a character of a private range, and becomes itself again when it is read or encoded.
const private = 0xF700

// Unmarshal decodes b leniently: Raw gives the strings as they were sent.
func Unmarshal(b []byte, m proto.Message) error {
	if err := proto.Unmarshal(b, m); err == nil {
		return nil
	}
	proto.Reset(m)
	return proto.Unmarshal(eachString(b, m.ProtoReflect().Descriptor(), hide), m)
}

// Marshal encodes m, whose strings may hold what Hidden gave.
func Marshal(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	return eachString(b, m.ProtoReflect().Descriptor(), func(s []byte) []byte { return []byte(Raw(string(s))) }), nil
}

// Hidden gives a string for a message that Marshal encodes as s, be it UTF-8 or not.
func Hidden(s string) string { return string(hide([]byte(s))) }

func hide(s []byte) []byte {
	if utf8.Valid(s) {
		return s
	}
	var out []byte
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			r = private + rune(s[0])
		}
		out, s = utf8.AppendRune(out, r), s[n:]
	}
	return out
}

// Raw gives the bytes of a string that was decoded leniently.
func Raw(s string) string {
	var out []byte
	for i, r := range s {
		switch {
		case r >= private && r <= private+0xff:
			if out == nil {
				out = []byte(s[:i])
			}
			out = append(out, byte(r-private))
		case out != nil:
			out = utf8.AppendRune(out, r)
		}
	}
	if out == nil {
		return s
	}
	return string(out)
}

// eachString gives the encoded message b with f applied to all of its strings.
func eachString(b []byte, md protoreflect.MessageDescriptor, f func([]byte) []byte) []byte {
	var out []byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeField(b)
		if n < 0 {
			return append(out, b...) // malformed: the runtime will say so
		}
		fd := md.Fields().ByNumber(num)
		if fd == nil || typ != protowire.BytesType || fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.MessageKind {
			out, b = append(out, b[:n]...), b[n:]
			continue
		}
		_, _, tag := protowire.ConsumeTag(b)
		v, _ := protowire.ConsumeBytes(b[tag:n])
		if fd.Kind() == protoreflect.StringKind {
			v = f(v)
		} else {
			v = eachString(v, fd.Message(), f)
		}
		out, b = protowire.AppendBytes(append(out, b[:tag]...), v), b[n:]
	}
	return out
}
