package zipkin

import (
	"bytes"
	"hash/maphash"
)

// tags are the tags of one span in their order; of a key that is there twice the last value counts. Keys come from outside,
// so they are found by a hash with a secret seed: no choice of them makes it slow.
type tags struct {
	list []tag
	at   [numRoles]int32 // where in list a key with that role is, plus one

	slots []slot // a power of two, at least twice as many as tags
	round uint32 // slots of earlier spans are empty ones
	seed  maphash.Seed
}

type tag struct {
	key, value []byte
	hash       uint64
	isNull     bool
	role       role
}

type slot struct {
	round uint32
	index int32
}

// role is what a tag means to us.
type role uint8

const (
	plain role = iota
	numeric
	ofResource

	// From here on there is one key for each.
	component
	errorText
	httpMethod
	httpRequestMethod
	method
	serviceName
	processID
	processParentID
	statusCode
	statusDescription
	scopeName
	scopeVersion
	libraryName
	libraryVersion
	traceState
	peerName
	peerService
	peerAddress
	peerPort
	localAddress
	localPort
	debugSpan
	sharedSpan
	timestampAbsent
	numRoles
)

var names = [numRoles][]byte{
	component:         []byte("component"),
	errorText:         []byte("error"),
	httpMethod:        []byte("http.method"),
	httpRequestMethod: []byte("http.request.method"),
	method:            []byte("method"),
	serviceName:       []byte("service.name"),
	processID:         []byte("process.pid"),
	processParentID:   []byte("process.parent_pid"),
	statusCode:        []byte("otel.status_code"),
	statusDescription: []byte("otel.status_description"),
	scopeName:         []byte("otel.scope.name"),
	scopeVersion:      []byte("otel.scope.version"),
	libraryName:       []byte("otel.library.name"),
	libraryVersion:    []byte("otel.library.version"),
	traceState:        []byte("w3c.tracestate"),
	peerName:          []byte("service.peer.name"),
	peerService:       []byte("peer.service"),
	peerAddress:       []byte("network.peer.address"),
	peerPort:          []byte("network.peer.port"),
	localAddress:      []byte("network.local.address"),
	localPort:         []byte("network.local.port"),
	debugSpan:         []byte("zipkin.debug"),
	sharedSpan:        []byte("zipkin.shared"),
	timestampAbsent:   []byte("alspan.zipkin.timestamp_absent"),
}

// roles are those of names, and of the other keys that are numbers in OpenTelemetry.
var roles = func() map[string]role {
	of := map[string]role{}
	for r, name := range names {
		if name != nil {
			of[string(name)] = role(r)
		}
	}
	for _, name := range []string{
		"http.status_code", "http.response.status_code", "rpc.grpc.status_code", "grpc.status_code", "rpc.jsonrpc.error_code",
		"http.request.size", "http.response.size", "http.request.body.size", "http.response.body.size",
		"http.request_content_length", "http.response_content_length", "request_size", "response_size",
		"http.request.resend_count", "http.resend_count", "messaging.batch.message_count", "messaging.message.body.size",
		"messaging.message.envelope.size", "db.response.returned_rows", "thread.id", "code.lineno", "code.line.number",
	} {
		of[name] = numeric
	}
	return of
}()

func roleOf(key []byte) role {
	if r, known := roles[string(key)]; known {
		return r
	}
	dot := bytes.IndexByte(key, '.')
	if dot < 0 {
		return plain
	}
	switch string(key[:dot]) {
	case "k8s", "host", "container", "cloud", "process", "os", "deployment":
		return ofResource
	case "telemetry":
		if bytes.HasPrefix(key, []byte("telemetry.sdk.")) || bytes.HasPrefix(key, []byte("telemetry.distro.")) {
			return ofResource
		}
	case "service":
		switch string(key) {
		case "service.version", "service.namespace", "service.instance.id":
			return ofResource
		}
	}
	if bytes.HasSuffix(key, []byte(".port")) {
		return numeric
	}
	return plain
}

func (t *tags) reset() {
	t.list, t.at = t.list[:0], [numRoles]int32{}
	if t.round++; t.round == 0 { // once in four thousand million spans
		clear(t.slots)
		t.round = 1
	}
}

// forget lets the body go.
func (t *tags) forget() {
	clear(t.list[:cap(t.list)])
	if cap(t.list) > keepRoom/16 {
		t.list, t.slots = nil, nil
	}
	t.reset()
}

// set sets the tag. Attributes without a key are none.
func (t *tags) set(key, value []byte, isNull bool) {
	if len(key) == 0 {
		return
	}
	if 2*len(t.list) >= len(t.slots) {
		t.grow()
	}
	h := maphash.Bytes(t.seed, key)
	s := t.find(h, key)
	if s.round == t.round {
		at := &t.list[s.index]
		at.value, at.isNull = value, isNull
		return
	}
	*s = slot{t.round, int32(len(t.list))}
	r := roleOf(key)
	t.list = append(t.list, tag{key: key, value: value, hash: h, isNull: isNull, role: r})
	t.at[r] = int32(len(t.list))
}

// find gives the slot of key, or the empty one where it belongs.
func (t *tags) find(h uint64, key []byte) *slot {
	mask := uint64(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.round != t.round || t.list[s.index].hash == h && bytes.Equal(t.list[s.index].key, key) {
			return s
		}
	}
}

func (t *tags) grow() {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	t.slots = make([]slot, max(64, 2*len(t.slots)))
	for i := range t.list {
		*t.find(t.list[i].hash, t.list[i].key) = slot{t.round, int32(i)}
	}
}

// get gives the tag with a role that one key has, nil when it is not there.
func (t *tags) get(r role) *tag {
	if t.at[r] == 0 {
		return nil
	}
	return &t.list[t.at[r]-1]
}

// value gives the tag's value, nothing when it is not there.
func (t *tags) value(r role) []byte {
	if found := t.get(r); found != nil {
		return found.value
	}
	return nil
}

func (t *tags) has(r role) bool { return t.at[r] != 0 }

// isEnvoy tells whether the span is of an Envoy's tracer.
func (t *tags) isEnvoy() bool { return string(t.value(component)) == "proxy" }

// method gives the method of the request.
func (t *tags) method() []byte {
	for _, r := range [...]role{httpMethod, httpRequestMethod, method} {
		if v := t.value(r); len(v) > 0 {
			return v
		}
	}
	return nil
}
