package wire

import (
	"bytes"
	"reflect"
	"slices"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The oracle is the official runtime with the official descriptors, changed in two ways: each message has the fields that
// the views read and no other, since the runtime looks into submessages that the views skip, and UTF-8 is not checked. A
// map is what it is on the wire, a repeated message: decoded as a map into a dynamic message, an entry that has its key
// again with another wire type makes the runtime panic. What the unchanged official types accept is held against those,
// too: there maps are maps.
var viewed = map[protoreflect.FullName][]protoreflect.Name{
	"envoy.data.accesslog.v3.HTTPAccessLogEntry": {"common_properties", "protocol_version", "request", "response"},
	"envoy.data.accesslog.v3.TCPAccessLogEntry":  {"common_properties", "connection_properties"},
	"envoy.data.accesslog.v3.AccessLogCommon": {"downstream_remote_address", "downstream_local_address", "tls_properties", "start_time",
		"time_to_last_rx_byte", "time_to_first_upstream_tx_byte", "time_to_last_upstream_tx_byte", "time_to_first_upstream_rx_byte",
		"time_to_last_upstream_rx_byte", "time_to_first_downstream_tx_byte", "time_to_last_downstream_tx_byte",
		"upstream_remote_address", "upstream_cluster", "response_flags", "upstream_transport_failure_reason",
		"route_name", "downstream_direct_remote_address", "custom_tags", "duration", "upstream_request_attempt_count",
		"connection_termination_details", "stream_id", "intermediate_log_entry", "downstream_transport_failure_reason", "access_log_type"},
	"envoy.data.accesslog.v3.HTTPRequestProperties": {"request_method", "scheme", "authority", "path", "user_agent", "forwarded_for", "request_id", "original_path", "request_body_bytes", "request_headers"},
	"envoy.data.accesslog.v3.HTTPResponseProperties": {"response_code", "response_body_bytes", "response_headers", "response_trailers",
		"response_code_details"},
	"envoy.data.accesslog.v3.ConnectionProperties":                         {"received_bytes", "sent_bytes"},
	"envoy.data.accesslog.v3.TLSProperties":                                {"tls_version", "tls_sni_hostname"},
	"envoy.data.accesslog.v3.ResponseFlags":                                nil, // all
	"envoy.data.accesslog.v3.ResponseFlags.Unauthorized":                   nil,
	"envoy.data.accesslog.v3.AccessLogCommon.CustomTagsEntry":              nil,
	"envoy.data.accesslog.v3.HTTPRequestProperties.RequestHeadersEntry":    nil,
	"envoy.data.accesslog.v3.HTTPResponseProperties.ResponseHeadersEntry":  nil,
	"envoy.data.accesslog.v3.HTTPResponseProperties.ResponseTrailersEntry": nil,
	"envoy.config.core.v3.Address":                                         nil,
	"envoy.config.core.v3.SocketAddress":                                   {"address", "port_value", "named_port"},
	"envoy.config.core.v3.Pipe":                                            {"path"},
	"envoy.config.core.v3.EnvoyInternalAddress":                            {"server_listener_name"},
	"envoy.config.core.v3.Node":                                            {"id", "cluster", "locality", "user_agent_version", "user_agent_build_version"},
	"envoy.config.core.v3.Locality":                                        {"region", "zone", "sub_zone"},
	"envoy.config.core.v3.BuildVersion":                                    {"version"},
	"envoy.type.v3.SemanticVersion":                                        nil,
	"google.protobuf.Timestamp":                                            nil,
	"google.protobuf.Duration":                                             nil,
	"google.protobuf.UInt32Value":                                          nil,

	"opentelemetry.proto.trace.v1.Span":                  nil,
	"opentelemetry.proto.trace.v1.Span.Event":            nil,
	"opentelemetry.proto.trace.v1.Span.Link":             nil,
	"opentelemetry.proto.trace.v1.Status":                nil,
	"opentelemetry.proto.trace.v1.ResourceSpans":         {"resource", "schema_url"},
	"opentelemetry.proto.trace.v1.ScopeSpans":            {"scope", "schema_url"},
	"opentelemetry.proto.common.v1.AnyValue":             nil,
	"opentelemetry.proto.common.v1.ArrayValue":           nil,
	"opentelemetry.proto.common.v1.KeyValueList":         nil,
	"opentelemetry.proto.common.v1.KeyValue":             nil,
	"opentelemetry.proto.common.v1.EntityRef":            nil,
	"opentelemetry.proto.common.v1.InstrumentationScope": nil,
	"opentelemetry.proto.resource.v1.Resource":           nil,
}

var oracle = sync.OnceValue(func() *protoregistry.Files {
	set := new(descriptorpb.FileDescriptorSet)
	done := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if done[fd.Path()] {
			return
		}
		done[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, pruneFile(protodesc.ToFileDescriptorProto(fd)))
	}
	add(alsv3.File_envoy_data_accesslog_v3_accesslog_proto)
	add(corev3.File_envoy_config_core_v3_base_proto)
	add(tracepb.File_opentelemetry_proto_trace_v1_trace_proto)
	files, err := protodesc.NewFiles(set)
	if err != nil {
		panic(err)
	}
	return files
})

// pruneFile makes a proto3 file one of edition 2023 with the same features, but for the check of UTF-8.
func pruneFile(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	f.Syntax, f.Edition = new("editions"), descriptorpb.Edition_EDITION_2023.Enum()
	f.Options = &descriptorpb.FileOptions{Features: &descriptorpb.FeatureSet{
		FieldPresence:         descriptorpb.FeatureSet_IMPLICIT.Enum(),
		EnumType:              descriptorpb.FeatureSet_OPEN.Enum(),
		RepeatedFieldEncoding: descriptorpb.FeatureSet_PACKED.Enum(),
		Utf8Validation:        descriptorpb.FeatureSet_NONE.Enum(),
		MessageEncoding:       descriptorpb.FeatureSet_LENGTH_PREFIXED.Enum(),
		JsonFormat:            descriptorpb.FeatureSet_ALLOW.Enum(),
	}}
	f.Service, f.Extension, f.EnumType = nil, nil, openEnums(f.EnumType)
	f.MessageType = prune(protoreflect.FullName(f.GetPackage()), f.MessageType)
	return f
}

// openEnums leaves out the closed enums of descriptor.proto, which is among the imports.
func openEnums(enums []*descriptorpb.EnumDescriptorProto) []*descriptorpb.EnumDescriptorProto {
	for _, e := range enums {
		e.Options = nil
		for _, v := range e.Value {
			v.Options = nil
		}
	}
	return slices.DeleteFunc(enums, func(e *descriptorpb.EnumDescriptorProto) bool { return e.Value[0].GetNumber() != 0 })
}

func prune(scope protoreflect.FullName, all []*descriptorpb.DescriptorProto) (kept []*descriptorpb.DescriptorProto) {
	for _, m := range all {
		name := scope.Append(protoreflect.Name(m.GetName()))
		fields, ok := viewed[name]
		if !ok {
			continue
		}
		m.Options, m.ExtensionRange, m.Extension, m.EnumType = nil, nil, nil, openEnums(m.EnumType)
		var oneofs []*descriptorpb.OneofDescriptorProto
		at := map[int32]int32{}
		m.Field = slices.DeleteFunc(m.Field, func(f *descriptorpb.FieldDescriptorProto) bool {
			return fields != nil && !slices.Contains(fields, protoreflect.Name(f.GetName()))
		})
		for _, f := range m.Field {
			f.Options = nil
			if f.OneofIndex == nil {
				continue
			}
			if _, ok := at[*f.OneofIndex]; !ok {
				at[*f.OneofIndex] = int32(len(oneofs))
				oneofs = append(oneofs, &descriptorpb.OneofDescriptorProto{Name: m.OneofDecl[*f.OneofIndex].Name})
			}
			f.OneofIndex = new(at[*f.OneofIndex])
		}
		m.OneofDecl = oneofs
		m.NestedType = prune(name, m.NestedType)
		kept = append(kept, m)
	}
	return kept
}

// ask decodes b as the oracle does.
func ask(name protoreflect.FullName, b []byte) (message, error) {
	d, err := oracle().FindDescriptorByName(name)
	if err != nil {
		panic(err)
	}
	m := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	return message{m}, proto.Unmarshal(b, m)
}

// message reads fields by name. An absent message gives absent fields.
type message struct{ protoreflect.Message }

func (m message) field(name protoreflect.Name) protoreflect.FieldDescriptor {
	fd := m.Descriptor().Fields().ByName(name)
	if fd == nil {
		panic("no field " + name)
	}
	return fd
}

func (m message) get(name protoreflect.Name) protoreflect.Value { return m.Get(m.field(name)) }
func (m message) has(name protoreflect.Name) bool               { return m.Has(m.field(name)) }
func (m message) sub(name protoreflect.Name) message            { return message{m.get(name).Message()} }
func (m message) text(name protoreflect.Name) []byte            { return []byte(m.get(name).String()) }
func (m message) uint(name protoreflect.Name) uint64            { return m.get(name).Uint() }
func (m message) enum(name protoreflect.Name) int32             { return int32(m.get(name).Enum()) }

func (m message) time(name protoreflect.Name) Time {
	t := m.sub(name)
	return Time{Seconds: t.get("seconds").Int(), Nanos: int32(t.get("nanos").Int()), Set: m.has(name)}
}

func (m message) fields(name protoreflect.Name) (f pairs) {
	if m.field(name).IsMap() {
		for k, v := range m.get(name).Map().Range {
			f = append(f, pair{[]byte(k.String()), []byte(v.String())})
		}
		return f
	}
	for l, i := m.get(name).List(), 0; i < l.Len(); i++ {
		entry := message{l.Get(i).Message()}
		f = append(f, pair{entry.text("key"), entry.text("value")})
	}
	return f
}

// same tells whether got is what the oracle has: maps by their keys' last values, nil and empty strings alike.
func same(got, want reflect.Value) bool {
	switch w := want.Interface().(type) {
	case []byte:
		return bytes.Equal(got.Bytes(), w)
	case pairs:
		g := got.Interface().(pairs)
		for _, f := range slices.Concat(w, g) {
			gv, gok := g.Get(string(f.Key))
			wv, wok := w.Get(string(f.Key))
			if !gok || !wok || !bytes.Equal(gv, wv) {
				return false
			}
		}
		return true
	}
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			if !same(got.Field(i), want.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Array:
		for i := range want.Len() {
			if !same(got.Index(i), want.Index(i)) {
				return false
			}
		}
		return true
	}
	return got.Equal(want)
}

// agree holds a view's answer against the oracle's, and against that of the official type if it has one.
func agree[V any](t *testing.T, b []byte, got V, ok bool, name protoreflect.FullName, expect func(message) V) {
	t.Helper()
	m, err := ask(name, b)
	want := expect(m)
	switch {
	case ok != (err == nil):
		t.Fatalf("walked: %v, the official runtime: %v\n%x", ok, err, b)
	case ok && !same(reflect.ValueOf(got), reflect.ValueOf(want)):
		t.Fatalf("the official runtime (-) has other fields (+):\n%s\n%x", cmp.Diff(want, got, cmpopts.EquateEmpty()), b)
	}
	typ, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		t.Fatal(err)
	}
	official := typ.New()
	if proto.Unmarshal(b, official.Interface()) != nil {
		return
	}
	if want := expect(message{official}); !ok || !same(reflect.ValueOf(got), reflect.ValueOf(want)) {
		t.Fatalf("walked: %v; the official type (-) has other fields (+):\n%s\n%x", ok, cmp.Diff(want, got, cmpopts.EquateEmpty()), b)
	}
}
