package spanbuilder

import (
	"time"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/wire"
)

// describeRoom is how many bytes of pod detail a request may get beside its size: each Resource gets some, and one that is empty
// has two bytes.
const describeRoom = 64 << 10

// Describe gives a request with metrics or logs with what is known of the pods that its Resources are of: by what a Resource says
// of its pod, else by the address of the connection unless the Resource speaks of another pod. What is there already is left
// alone, but for the name of a service that has none, and all that is not a Resource stays byte for byte.
//
// The body is an encoded Export*ServiceRequest; it is borrowed. Where nothing is added it is what is given, and own is false. Of
// a Resource that is malformed nothing is added, nor of those beyond describeRoom.
//
//	message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }
//	message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
func (s *Sender) Describe(body []byte) (request []byte, own bool) {
	if s.all.index == nil {
		return body, false
	}
	return s.describe(s.all.index.Load(), body, time.Now().UnixNano())
}

func (s *Sender) describe(known *pods.Snapshot, body []byte, at int64) (request []byte, own bool) {
	room, done := len(body)+describeRoom, 0
	for i := 0; i < len(body); {
		key, v, next := wire.Field(body, i, len(body))
		if next < 0 {
			break
		}
		if key == requestResources<<3|wire.Bytes {
			d := detail{group: body[v:next]}
			if d.find(s, known, at) {
				if room -= len(d.added); room < 0 {
					break
				}
				if request == nil {
					request = make([]byte, 0, len(body)+2*len(d.added)+16)
				}
				request = wire.AppendBytes(append(request, body[done:i]...), requestResources, d.append(nil))
				done = next
			}
		}
		i = next
	}
	if done == 0 {
		return body, false
	}
	return append(request, body[done:]...), true
}

// requestResources is the field of a request, whatever its signal, that has the Resources and what belongs to each.
const requestResources = 1

// detail is what a pod adds to the Resource of a ResourceLogs or ResourceMetrics.
type detail struct {
	group []byte // the ResourceLogs or ResourceMetrics
	added []byte // attributes, as fields of a Resource
	last  int    // where the last field with the Resource begins, -1 if there is none: the pieces of a message merge
	named bool   // added has a service.name in place of what is there
}

// find looks at the Resource and finds its pod. It gives false where nothing is to be added.
func (d *detail) find(s *Sender, known *pods.Snapshot, at int64) bool {
	var o Origin
	a := attributes{has: map[string]bool{}}
	d.last = -1
	for i := 0; i < len(d.group); {
		key, v, next := wire.Field(d.group, i, len(d.group))
		if next < 0 {
			return false
		}
		if key == resourceSpansResource<<3|wire.Bytes {
			d.last = i
			if !o.look(d.group[v:next], a.has) {
				return false
			}
		}
		i = next
	}
	p, _ := s.ofOrigin(known, 0, nil, &o, at)
	if p == nil {
		return false
	}
	if isUnknown(o.name) {
		if service := s.all.serviceName(nil, p, ""); service != "" {
			d.named, a.has["service.name"] = true, false
			a.add("service.name", service)
		}
	}
	s.all.describePod(&a, p)
	d.added = a.append(nil)
	return len(d.added) > 0
}

// append appends the group with what is added.
func (d *detail) append(dst []byte) []byte {
	if d.last < 0 {
		dst = wire.AppendBytes(dst, resourceSpansResource, d.added)
		return append(dst, d.group...)
	}
	at := 0
	wire.EachField(d.group, func(key uint32, value, field []byte) {
		if key != resourceSpansResource<<3|wire.Bytes {
			dst = append(dst, field...)
		} else {
			resource := d.kept(value)
			if at == d.last {
				resource = append(resource, d.added...)
			}
			dst = wire.AppendBytes(dst, resourceSpansResource, resource)
		}
		at += len(field)
	})
	return dst
}

// kept gives a copy of the fields of a Resource that stay.
func (d *detail) kept(resource []byte) []byte {
	kept := make([]byte, 0, len(resource)+len(d.added))
	wire.EachField(resource, func(key uint32, value, field []byte) {
		if d.named && key == resourceAttributes<<3|wire.Bytes {
			if name, _, _ := wire.StringAttribute(value); string(name) == "service.name" {
				return
			}
		}
		kept = append(kept, field...)
	})
	return kept
}
