package spanbuilder

import (
	"bytes"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// The HTTP attributes are those of OpenTelemetry's stable conventions for HTTP spans.

// RequestMethod of envoy/config/core/v3/base.proto; a method that Envoy does not know is METHOD_UNSPECIFIED.
var methodNames = [...]string{1: "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

const otherMethod = "_OTHER"

// method gives the value of http.request.method and the name of a span for it.
func method(e *wire.Entry) (value, name string) {
	if e.Method > 0 && int(e.Method) < len(methodNames) {
		return methodNames[e.Method], methodNames[e.Method]
	}
	return otherMethod, "HTTP"
}

var protocolVersions = [...]string{1: "1.0", "1.1", "2", "3"}
var tlsVersions = [...]string{1: "1", "1.1", "1.2", "1.3"}

func pick(names []string, i int32) string {
	if i > 0 && int(i) < len(names) {
		return names[i]
	}
	return ""
}

// name writes the span's name: never a raw path.
func (r *request) name() {
	switch {
	case r.e.TCP:
		r.dst = wire.AppendBytes(r.dst, spanName, "TCP")
	case r.rpc.method != "":
		r.dst = wire.AppendBytes(r.dst, spanName, r.rpc.method)
	default:
		_, name := method(r.e)
		r.dst = wire.AppendBytes(r.dst, spanName, name)
	}
}

// common writes what the spans of both sides say.
func (r *request) common() {
	e := r.e
	if e.TCP {
		r.str("network.transport", "tcp")
		return
	}
	value, _ := method(e)
	r.str("http.request.method", value)
	if value == otherMethod {
		if original, ok := e.RequestHeaders.Get(":method"); ok {
			r.text("http.request.method_original", original)
		}
	}
	if e.HasCode && e.Code != 0 {
		r.int("http.response.status_code", int64(e.Code))
	}
	r.rpcAttributes()
}

// requestAttributes writes what the request and its sender say.
func (r *request) requestAttributes() {
	e := r.e
	r.text("url.scheme", e.Scheme)
	r.text("url.path", r.target.path)
	r.text("url.query", r.b.redacted(r.target.query))
	if !e.TCP {
		host, port := splitAuthority(e.Authority)
		r.text("server.address", host)
		if port > 0 {
			r.int("server.port", port)
		}
	}
	r.address("client.", &e.DownstreamRemote)
	r.address("network.peer.", &e.DownstreamDirect)
	r.str("network.protocol.version", pick(protocolVersions[:], e.Protocol))
	if v := pick(tlsVersions[:], e.TLSVersion); v != "" {
		r.str("tls.protocol.name", "tls")
		r.str("tls.protocol.version", v)
	}
	r.text("user_agent.original", e.UserAgent)
	if !e.TCP {
		r.int("http.request.body.size", int64(e.RequestBody))
		r.int("http.response.body.size", int64(e.ResponseBody))
	}
	for _, key := range r.b.opts.RequestHeaders {
		if v, ok := e.RequestHeaders.Get(key); ok {
			r.texts("http.request.header.", key, v)
		}
	}
	for _, key := range r.b.opts.ResponseHeaders {
		v, ok := e.ResponseHeaders.Get(key)
		if !ok {
			v, ok = e.ResponseTrailers.Get(key)
		}
		if ok {
			r.texts("http.response.header.", key, v)
		}
	}
}

// upstreamAttributes writes what the CLIENT span says of the host that was called.
func (r *request) upstreamAttributes() {
	e := r.e
	if len(e.Authority) > 0 {
		var room [512]byte
		full := append(room[:0], e.Scheme...)
		full = append(append(full, "://"...), withoutUser(e.Authority)...)
		full = append(full, r.target.path...)
		if len(r.target.query) > 0 {
			full = append(append(full, '?'), r.b.redacted(r.target.query)...)
		}
		r.text("url.full", full)
	}
	r.address("server.", &e.UpstreamRemote)
	r.address("network.peer.", &e.UpstreamRemote)
	if e.Attempts > 1 {
		r.int("http.request.resend_count", int64(e.Attempts-1))
	}
	r.text("envoy.upstream_cluster", e.UpstreamCluster)
	r.text("envoy.upstream_transport_failure_reason", e.UpstreamFailure)
}

// address writes <prefix>address and <prefix>port.
func (r *request) address(prefix string, a *wire.Address) {
	if len(a.Host) == 0 {
		return
	}
	var room [32]byte
	r.text(string(append(append(room[:0], prefix...), "address"...)), a.Host)
	if a.Port != 0 {
		r.int(string(append(append(room[:0], prefix...), "port"...)), int64(a.Port))
	}
}

// target is the request's path, split.
type target struct{ path, query []byte }

// splitTarget splits the path that the caller sent; Envoy keeps it when it rewrites the path.
func splitTarget(e *wire.Entry) target {
	p := e.OriginalPath
	if len(p) == 0 {
		p = e.Path
	}
	path, query, _ := bytes.Cut(p, []byte{'?'})
	return target{path, query}
}

func withoutUser(authority []byte) []byte {
	return authority[bytes.LastIndexByte(authority, '@')+1:]
}

// splitAuthority splits host and port; the port is 0 when there is none. An IPv6 address loses its brackets.
func splitAuthority(authority []byte) (host []byte, port int64) {
	host = withoutUser(authority)
	colon := bytes.LastIndexByte(host, ':')
	if end := bytes.IndexByte(host, ']'); len(host) > 0 && host[0] == '[' && end > 0 {
		if colon == end+1 {
			port, _ = strconv.ParseInt(string(host[colon+1:]), 10, 64)
		}
		return host[1:end], inRange(port)
	}
	if colon < 0 || bytes.IndexByte(host, ':') != colon {
		return host, 0 // none, or a bare IPv6 address
	}
	n, err := strconv.ParseInt(string(host[colon+1:]), 10, 64)
	if err != nil {
		return host, 0
	}
	return host[:colon], inRange(n)
}

func inRange(port int64) int64 {
	if port < 0 || port > 65535 {
		return 0
	}
	return port
}
