package accesslog

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/alspan/alspan/internal/wire"
)

// Records takes OTLP log records (opentelemetry/proto/logs/v1/logs.proto) and finds the entries among them that Envoy's
// envoy.access_loggers.open_telemetry has sent. It belongs to one goroutine.
//
// A record is an entry if its attributes, or a body that is a list of keys and values, give a duration and a path, authority, method or
// response code, and if it is Envoy's: its resource says log_name and node_name or cluster_name, as Envoy's does by default, or it
// has response flags or an upstream.
type Records struct {
	encoder
	prefix  []byte
	text    [64]byte
	entries []byte
	marks   []Mark
	groups  []group
	taken   []bool // for each record of the request, in order
}

// group is the entries of one resource.
type group struct {
	id          Identifier
	bytes, mark int // where they begin
}

// NewRecords makes one that goes by those fields.
func NewRecords(f *Fields) *Records { return &Records{encoder: encoder{fields: f}} }

// Field numbers: message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }, message ScopeLogs {
// InstrumentationScope scope = 1; repeated LogRecord log_records = 2; }.
const (
	requestResourceLogs             = 1
	resourceLogsResource, scopeLogs = 1, 2
	logRecords                      = 2

	recordTime, recordBody, recordAttributes = 1, 5, 6
	recordTraceID, recordSpanID              = 9, 10
)

// Split finds the entries in an encoded ExportLogsServiceRequest, for Entries, and gives the request without them: body itself if there
// are none, nothing if there is nothing else. What it gives and the entries borrow body.
func (r *Records) Split(body []byte) (rest []byte) {
	r.entries, r.marks, r.groups, r.taken = r.entries[:0], r.marks[:0], r.groups[:0], r.taken[:0]
	for q := wire.Read(body); q.Next(); {
		if q.Key == requestResourceLogs<<3|wire.Bytes {
			r.resource(q.Bytes)
		}
	}
	switch len(r.marks) {
	case 0:
		return body
	case len(r.taken):
		return nil
	}
	n := 0
	return r.without(body, &n)
}

// Entries gives consume the entries that Split has found.
func (r *Records) Entries(consume Consumer) {
	for i := range r.groups {
		g, bytes, marks := &r.groups[i], len(r.entries), len(r.marks)
		if i+1 < len(r.groups) {
			bytes, marks = r.groups[i+1].bytes, r.groups[i+1].mark
		}
		if marks > g.mark {
			m := newEntries(&g.id, r.entries[g.bytes:bytes], r.marks[g.mark:marks])
			consume(&m)
		}
	}
}

// resource takes a ResourceLogs.
func (r *Records) resource(in []byte) {
	g := group{bytes: len(r.entries), mark: len(r.marks)}
	for q := wire.Read(in); q.Next(); {
		if q.Key == resourceLogsResource<<3|wire.Bytes {
			g.id.label(q.Bytes)
		}
	}
	envoys := len(g.id.LogName) > 0 && len(g.id.Node.ID)+len(g.id.Node.Cluster) > 0
	r.groups = append(r.groups, g)
	for q := wire.Read(in); q.Next(); {
		if q.Key != scopeLogs<<3|wire.Bytes {
			continue
		}
		for s := wire.Read(q.Bytes); s.Next(); {
			if s.Key == logRecords<<3|wire.Bytes {
				r.taken = append(r.taken, r.record(s.Bytes, envoys))
			}
		}
	}
}

// label takes Envoy's own labels from a Resource.
func (id *Identifier) label(resource []byte) {
	for q := wire.Read(resource); q.Next(); {
		if q.Key != 1<<3|wire.Bytes { // repeated KeyValue attributes = 1;
			continue
		}
		name, value, _ := wire.StringAttribute(q.Bytes)
		switch string(name) {
		case "log_name":
			id.LogName = value
		case "node_name":
			id.Node.ID = value
		case "cluster_name":
			id.Node.Cluster = value
		case "zone_name":
			id.Node.Zone = value
		case "k8s.pod.name":
			id.Pod = string(value)
		case "k8s.namespace.name":
			id.Namespace = string(value)
		}
	}
}

// record takes a LogRecord and tells whether it is an entry; envoys says that its resource is Envoy's.
func (r *Records) record(in []byte, envoys bool) bool {
	r.reset()
	for q := wire.Read(in); q.Next(); { // first: it is more exact than what the attributes say
		if q.Key == recordTime<<3|wire.Fixed64 && q.Int > 0 && q.Int < math.MaxInt64 {
			r.startAt(time.Unix(0, int64(q.Int)), true)
			r.has[isStartTime] = true
		}
	}
	q := wire.Read(in)
	for q.Next() {
		switch q.Key {
		case recordBody<<3 | wire.Bytes:
			r.values(q.Bytes, 0)
		case recordAttributes<<3 | wire.Bytes:
			r.prefix = r.prefix[:0]
			r.attribute(q.Bytes, 0)
		case recordTraceID<<3 | wire.Bytes:
			r.id(isTraceID, q.Bytes, 16)
		case recordSpanID<<3 | wire.Bytes:
			r.id(isSpanID, q.Bytes, 8)
		}
	}
	if q.Broken() || !r.has[isDuration] || !r.has[isStartTime] || !r.has[isPath] && !r.has[isAuthority] && !r.has[isMethod] && !r.has[isResponseCode] ||
		!envoys && !r.has[isResponseFlags] && !r.has[isUpstreamCluster] && !r.has[isUpstreamHost] {
		return false
	}
	r.finish(in)
	r.entries = wire.AppendBytes(r.entries, 1, r.out)
	r.marks = append(r.marks, r.mark)
	return true
}

// id takes the id of the trace, or of Envoy's own span.
func (r *Records) id(f field, id []byte, size int) {
	if len(id) == size {
		r.put(target{field: f}, hex.AppendEncode(r.text[:0], id))
	}
}

// attribute takes a KeyValue: message KeyValue { string key = 1; AnyValue value = 2; }.
func (r *Records) attribute(in []byte, depth int) {
	var value []byte
	at := len(r.prefix)
	for q := wire.Read(in); q.Next(); {
		switch q.Key {
		case 1<<3 | wire.Bytes:
			r.prefix = append(r.prefix[:at], q.Bytes...)
		case 2<<3 | wire.Bytes:
			value = q.Bytes
		}
	}
	r.any(value, depth)
	r.prefix = r.prefix[:at]
}

// any takes an AnyValue under the name at hand: message AnyValue { oneof { string = 1; bool = 2; int = 3; double = 4; array = 5; kvlist = 6; } }.
func (r *Records) any(in []byte, depth int) {
	for q := wire.Read(in); q.Next(); {
		switch q.Key {
		case 1<<3 | wire.Bytes:
			r.put(r.target(r.prefix), q.Bytes)
		case 3<<3 | wire.Varint:
			r.put(r.target(r.prefix), strconv.AppendInt(r.text[:0], int64(q.Int), 10))
		case 4<<3 | wire.Fixed64:
			r.put(r.target(r.prefix), strconv.AppendFloat(r.text[:0], math.Float64frombits(q.Int), 'f', -1, 64))
		case 6<<3 | wire.Bytes:
			if depth < maxDepth {
				r.prefix = append(r.prefix, '.')
				r.list(q.Bytes, depth+1)
			}
		}
	}
}

// values takes a body that is a list of keys and values.
func (r *Records) values(body []byte, depth int) {
	for q := wire.Read(body); q.Next(); {
		if q.Key == 6<<3|wire.Bytes {
			r.prefix = r.prefix[:0]
			r.list(q.Bytes, depth+1)
		}
	}
}

// list takes a KeyValueList: repeated KeyValue values = 1.
func (r *Records) list(in []byte, depth int) {
	for q := wire.Read(in); q.Next(); {
		if q.Key == 1<<3|wire.Bytes {
			r.attribute(q.Bytes, depth)
		}
	}
}

// without gives the request without the records that were taken; n counts them.
func (r *Records) without(body []byte, n *int) (rest []byte) {
	wire.EachField(body, func(key uint32, value, field []byte) {
		if key != requestResourceLogs<<3|wire.Bytes {
			rest = append(rest, field...)
			return
		}
		if resource, some := r.withoutScopes(value, n); some {
			rest = wire.AppendBytes(rest, requestResourceLogs, resource)
		}
	})
	return rest
}

// withoutScopes is that for a ResourceLogs. It gives false if nothing is left of it.
func (r *Records) withoutScopes(in []byte, n *int) (rest []byte, some bool) {
	wire.EachField(in, func(key uint32, value, field []byte) {
		if key != scopeLogs<<3|wire.Bytes {
			rest = append(rest, field...)
			return
		}
		var scope []byte
		left := 0
		wire.EachField(value, func(key uint32, _, field []byte) {
			if key == logRecords<<3|wire.Bytes {
				if *n++; r.taken[*n-1] {
					return
				}
				left++
			}
			scope = append(scope, field...)
		})
		if left > 0 {
			rest, some = wire.AppendBytes(rest, scopeLogs, scope), true
		}
	})
	return rest, some
}
