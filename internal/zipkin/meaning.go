package zipkin

import (
	"bytes"
	"slices"

	"github.com/alspan/alspan/internal/propagation"
)

// Codes of an OTLP Status.
const statusUnset, statusOK, statusError = 0, 1, 2

// meaning is what the tags of a span say that OTLP has fields for. Those tags are no attributes.
type meaning struct {
	code           uint8
	message        []byte
	state          []byte // tracestate
	scope, version []byte
	resource       []*tag // sorted by key, service.name among them
	service        tag    // service.name
	keepsError     bool   // the tag error says something that the status does not
	keepsCode      bool   // the tag otel.status_code has no such code
	isEnvoy        bool
}

var unknownService = []byte("unknown_service")

// read finds what the tags of s mean. Envoy's tags are kept as they are, so that its spans look the same whether they came as
// Zipkin or as OTLP; only their status is read from them.
func (m *meaning) read(s *span) {
	t := &s.tags
	*m = meaning{resource: m.resource[:0], state: m.state[:0], isEnvoy: t.isEnvoy()}
	m.service = tag{key: names[serviceName], value: s.local.service}
	if !m.isEnvoy {
		m.readStatus(t)
		m.state = propagation.AppendTraceState(m.state, t.value(traceState))
		m.scope = either(t.value(scopeName), t.value(libraryName))
		m.version = either(t.value(scopeVersion), t.value(libraryVersion))
		if len(m.service.value) == 0 {
			m.service.value = t.value(serviceName)
		}
		for i := range t.list {
			if t.list[i].role.isResource() {
				m.resource = append(m.resource, &t.list[i])
			}
		}
	}
	m.readError(t)
	if len(m.service.value) == 0 {
		m.service.value = unknownService
	}
	m.resource = append(m.resource, &m.service)
	// The order of tags differs from span to span of one process.
	slices.SortFunc(m.resource, func(a, b *tag) int { return bytes.Compare(a.key, b.key) })
}

func either(a, b []byte) []byte {
	if len(a) > 0 {
		return a
	}
	return b
}

func (m *meaning) readStatus(t *tags) {
	m.message = t.value(statusDescription)
	code := t.value(statusCode)
	switch string(bytes.TrimPrefix(bytes.ToUpper(code), []byte("STATUS_CODE_"))) {
	case "OK":
		m.code = statusOK
	case "ERROR":
		m.code = statusError
	case "UNSET", "":
	default:
		m.keepsCode = true
	}
}

// readError: any value of the tag error is an error, and tells of it; but "true" tells nothing, and "false" is no error.
func (m *meaning) readError(t *tags) {
	e := t.get(errorText)
	switch {
	case e == nil || e.isNull || bytes.EqualFold(e.value, []byte("false")):
		return
	case m.code == statusOK: // said in so many words
		m.keepsError = true
		return
	}
	m.code = statusError
	switch {
	case len(e.value) == 0 || bytes.EqualFold(e.value, []byte("true")):
	case len(m.message) == 0:
		m.message = e.value
	default:
		m.keepsError = !bytes.Equal(m.message, e.value)
	}
}

// isResource tells whether a tag with that role is an attribute of the Resource.
func (r role) isResource() bool { return r == ofResource || r == processID || r == processParentID }

// isAttribute tells whether t is an attribute of the span.
func (m *meaning) isAttribute(t *tag, s *span) bool {
	if m.isEnvoy {
		return true
	}
	switch t.role {
	case ofResource, processID, processParentID:
		return false
	case statusDescription, scopeName, scopeVersion, libraryName, libraryVersion:
		return false
	case errorText:
		return m.keepsError
	case statusCode:
		return m.keepsCode
	case traceState:
		return len(m.state) == 0
	case serviceName:
		return len(s.local.service) > 0
	}
	return true
}
