package spanbuilder

import (
	"bytes"
	"maps"
	"strconv"
	"sync/atomic"

	"github.com/alspan/alspan/internal/wire"
)

// The RPC attributes are those of OpenTelemetry's conventions for gRPC (release candidate).

// rpc is what makes a request a gRPC call; method is "" when it is none.
type rpc struct {
	method string
	status int // -1: none was sent
}

var statusNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
	"UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

const (
	unknownStatus = 2
	unimplemented = 12
)

// serverErrors has bit n set where the status n is an error of the server's side.
const serverErrors = 1<<2 | 1<<4 | 1<<12 | 1<<13 | 1<<14 | 1<<15

// findRPC tells whether the request is a gRPC call: its content type says so, which the logger must list.
func (r *request) findRPC() rpc {
	kind, ok := r.e.Fields(wire.RequestHeaders).Get("content-type")
	rest, isGRPC := bytes.CutPrefix(kind, []byte("application/grpc"))
	if !ok || !isGRPC || len(rest) > 0 && rest[0] != '+' && rest[0] != ';' {
		return rpc{status: -1}
	}
	name := bytes.TrimPrefix(r.e.Bytes(r.target.path), []byte{'/'})
	if service, m, ok := bytes.Cut(name, []byte{'/'}); !ok || len(service) == 0 || len(m) == 0 {
		return rpc{status: -1}
	}
	status := r.rpcStatus()
	return rpc{method: r.b.methods.name(name, status != unimplemented), status: status}
}

// rpcStatus gives the call's status: in the trailers, or in the headers of a response that has nothing else.
func (r *request) rpcStatus() int {
	v, ok := r.e.Fields(wire.ResponseTrailers).Get("grpc-status")
	if !ok {
		v, ok = r.e.Fields(wire.ResponseHeaders).Get("grpc-status")
	}
	n, err := strconv.Atoi(string(v))
	if !ok || err != nil || n < 0 {
		return -1
	}
	if n >= len(statusNames) {
		return unknownStatus // as gRPC's own clients take it
	}
	return n
}

func (c rpc) statusName() string {
	if c.status < 0 {
		return ""
	}
	return statusNames[c.status]
}

// failed tells whether the status is an error for a span of that kind.
func (c rpc) failed(kind int) bool {
	if c.status <= 0 {
		return false
	}
	return kind == kindClient || serverErrors>>c.status&1 == 1
}

func (r *request) rpcAttributes() {
	if r.rpc.method == "" {
		return
	}
	r.str(rpcSystemNameKey, "grpc")
	r.str(rpcMethodKey, r.rpc.method)
	if r.rpc.method == otherMethod {
		r.bytes(rpcMethodOriginalKey, bytes.TrimPrefix(r.e.Bytes(r.target.path), []byte{'/'}))
	}
	r.str(rpcResponseStatusCodeKey, r.rpc.statusName())
}

// methodSet bounds the names of methods: a path is whatever a client sends, and a name of a span must be one of few.
type methodSet struct {
	longest int // bytes of a name
	known   atomic.Pointer[map[string]string]
}

const (
	maxMethods   = 2000
	maxMethodLen = 200
)

// name gives the method's name, or "_OTHER" when there are too many or it is no name. Methods that are not known to be
// implemented get at most half of the room: strangers must not take the place of what is real.
func (s *methodSet) name(m []byte, implemented bool) string {
	limit := maxMethods
	if !implemented {
		limit = maxMethods / 2
	}
	for {
		old := s.known.Load()
		if old != nil {
			if name, ok := (*old)[string(m)]; ok {
				return name
			}
		}
		if old != nil && len(*old) >= limit || len(m) > s.longest || !plainMethod(m) {
			return otherMethod
		}
		next := map[string]string{}
		if old != nil {
			next = maps.Clone(*old)
		}
		name := string(m)
		next[name] = name
		if s.known.CompareAndSwap(old, &next) {
			return name
		}
	}
}

func plainMethod(m []byte) bool {
	for _, c := range m {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '/', c == '-':
		default:
			return false
		}
	}
	return true
}
