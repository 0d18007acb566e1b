package zipkin

import (
	"bytes"
	"io"
	"net/netip"
	"time"

	"github.com/go-faster/jx"
)

// reader reads JSON. jx calls back for each field of an object; these are the callbacks, made once, and where they are.
type reader struct {
	in                                               jx.Decoder
	list, annotations                                func(*jx.Decoder) error
	spanField, endpointField, annotationField, tagOf func(*jx.Decoder, []byte) error
	endpoint                                         *endpoint
	annotation                                       annotation
}

// protobufList is the first byte of a protobuf ListOfSpans: field 1, a message.
const protobufList = 0x0a

var byteOrderMark = []byte("\uFEFF")

// JSON decodes a JSON list of spans, received at that time. An error means that the body is something else.
func (d *Decoder) JSON(body []byte, received time.Time) (*Decoded, error) {
	d.begin(received)
	body = bytes.TrimPrefix(body, byteOrderMark)
	rest := trimLeft(body)
	switch {
	case len(rest) == 0:
		return d.finish(nil)
	case rest[0] == '[':
	case body[0] == thriftStruct:
		return d.finish(errThrift)
	case rest[0] == '{':
		return d.finish(errIsObject)
	case body[0] == protobufList:
		return d.finish(errIsProtobuf)
	default:
		return d.finish(errNoList)
	}
	if d.json.list == nil {
		d.json.list, d.json.annotations = d.jsonSpan, d.jsonAnnotation
		d.json.spanField, d.json.endpointField, d.json.annotationField, d.json.tagOf =
			d.jsonSpanField, d.jsonEndpointField, d.jsonAnnotationField, d.jsonTag
	}
	in := &d.json.in
	in.ResetBytes(body)
	// The callbacks give no errors but those of jx, so an error is where the JSON breaks.
	err := in.Arr(d.json.list)
	if err == nil {
		err = in.Skip()
	}
	d.Truncated = err != io.EOF //nolint:errorlint // jx gives the end of the body as it is, and an end inside a value otherwise
	return d.finish(nil)
}

func (d *Decoder) jsonSpan(in *jx.Decoder) error {
	if in.Next() != jx.Object {
		if err := in.Skip(); err != nil {
			return err
		}
		d.Invalid[Malformed]++
		return nil
	}
	d.span.reset()
	if err := in.ObjBytes(d.json.spanField); err != nil {
		return err
	}
	d.add()
	return nil
}

func (d *Decoder) jsonSpanField(in *jx.Decoder, key []byte) error {
	s := &d.span
	var text []byte
	var err error
	switch string(key) {
	case "traceId":
		text, err = readString(in)
		parseHex(s.traceID[:], text)
	case "id":
		text, err = readString(in)
		parseHex(s.id[:], text)
	case "parentId":
		text, err = readString(in)
		parseHex(s.parent[:], text)
	case "kind":
		s.isV2 = true
		text, err = readString(in)
		s.kind = kindOf(text)
	case "name":
		s.name, err = readText(in)
	case "timestamp":
		s.timestamp, err = readNumber(in)
	case "duration":
		s.duration, err = readNumber(in)
	case "debug":
		s.debug, err = readBool(in)
	case "shared":
		s.shared, err = readBool(in)
	case "localEndpoint":
		s.isV2 = true
		err = d.jsonEndpoint(in, &s.local)
	case "remoteEndpoint":
		s.isV2 = true
		err = d.jsonEndpoint(in, &s.remote)
	case "annotations":
		if in.Next() != jx.Array {
			return in.Skip()
		}
		err = in.Arr(d.json.annotations)
	case "tags":
		s.isV2 = true
		if in.Next() != jx.Object {
			return in.Skip()
		}
		err = in.ObjBytes(d.json.tagOf)
	case "binaryAnnotations":
		s.isV1 = true
		err = in.Skip()
	default:
		err = in.Skip()
	}
	return err
}

func (d *Decoder) jsonEndpoint(in *jx.Decoder, e *endpoint) error {
	*e = endpoint{}
	if in.Next() != jx.Object {
		return in.Skip()
	}
	d.json.endpoint = e
	return in.ObjBytes(d.json.endpointField)
}

func (d *Decoder) jsonEndpointField(in *jx.Decoder, key []byte) (err error) {
	e := d.json.endpoint
	switch string(key) {
	case "serviceName":
		e.service, err = readText(in)
	case "ipv4":
		e.ipv4, err = readAddress(in)
	case "ipv6":
		e.ipv6, err = readAddress(in)
	case "port":
		var port uint64
		port, err = readNumber(in)
		e.setPort(port)
	default:
		err = in.Skip()
	}
	return err
}

func readAddress(in *jx.Decoder) (netip.Addr, error) {
	text, err := readString(in)
	if err != nil || len(text) == 0 || len(text) > maxAddress {
		return netip.Addr{}, err
	}
	address, _ := netip.ParseAddr(string(text)) // one that is none is absent
	return address.Unmap(), nil
}

// maxAddress is longer than any address in text, with a zone.
const maxAddress = 128

func (d *Decoder) jsonAnnotation(in *jx.Decoder) error {
	if in.Next() != jx.Object {
		return in.Skip()
	}
	d.json.annotation = annotation{}
	if err := in.ObjBytes(d.json.annotationField); err != nil {
		return err
	}
	d.span.annotate(d.json.annotation)
	return nil
}

func (d *Decoder) jsonAnnotationField(in *jx.Decoder, key []byte) (err error) {
	a := &d.json.annotation
	switch string(key) {
	case "timestamp":
		a.timestamp, err = readNumber(in)
	case "value":
		a.value, err = readText(in)
	case "endpoint":
		d.span.isV1 = d.span.isV1 || in.Next() == jx.Object
		err = in.Skip()
	default:
		err = in.Skip()
	}
	return err
}

func (d *Decoder) jsonTag(in *jx.Decoder, key []byte) error {
	isNull := in.Next() == jx.Null
	value, err := readText(in)
	if err == nil {
		d.span.tags.set(key, value, isNull)
	}
	return err
}
