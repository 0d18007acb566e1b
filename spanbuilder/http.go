package spanbuilder

import (
	"bytes"
	"cmp"

	"github.com/alspan/alspan/internal/wire"
)

// The HTTP attributes are those of OpenTelemetry's stable conventions for HTTP spans.

const otherMethod = "_OTHER"

// originalMethod gives the method that http.request.method does not, if it was logged.
func originalMethod(e *wire.Entry) ([]byte, bool) {
	if e.Method > 0 && int(e.Method) < len(wire.MethodNames) {
		return nil, false
	}
	return e.Fields(wire.RequestHeaders).Get(":method")
}

// The attributes whose values are few are rendered ahead.
var (
	methodBlocks = func() (list [len(wire.MethodNames)]block) {
		for i, name := range wire.MethodNames {
			list[i] = newBlock("http.request.method", cmp.Or(name, otherMethod))
		}
		return list
	}()
	// Names of spans, as fields of a Span. An unknown method is "HTTP" there.
	nameBlocks = func() (list [len(wire.MethodNames)]block) {
		for i, name := range wire.MethodNames {
			list[i].size = copy(list[i].bytes[:], wire.AppendBytes(nil, spanName, cmp.Or(name, "HTTP")))
		}
		return list
	}()
	protocolBlocks = [...]block{1: newBlock("network.protocol.version", "1.0"), newBlock("network.protocol.version", "1.1"),
		newBlock("network.protocol.version", "2"), newBlock("network.protocol.version", "3")}
	tlsBlocks = [...]block{1: tlsBlock("1"), tlsBlock("1.1"), tlsBlock("1.2"), tlsBlock("1.3")}
)

func tlsBlock(version string) block {
	return newBlock("tls.protocol.name", "tls", "tls.protocol.version", version)
}

// pick gives the block for the value of an enum, an empty one where there is none.
func pick(blocks []block, i int32) *block {
	if uint32(i) < uint32(len(blocks)) {
		return &blocks[i]
	}
	return &blocks[0]
}

// name writes the span's name: never a raw path.
func (r *request) name() {
	switch {
	case r.e.TCP && r.e.Type == wire.UDPSessionEnd:
		r.dst = wire.AppendBytes(r.dst, spanName, "UDP")
	case r.e.TCP:
		r.dst = wire.AppendBytes(r.dst, spanName, "TCP")
	case r.rpc.method != "":
		r.dst = wire.AppendBytes(r.dst, spanName, r.rpc.method)
	default:
		r.block(pick(nameBlocks[:], r.e.Method))
	}
}

// common writes what the spans of both sides say.
func (r *request) common() {
	e := r.e
	switch {
	case e.TCP && e.Type == wire.UDPSessionEnd:
		r.str(networkTransportKey, "udp")
	case e.TCP:
		r.str(networkTransportKey, "tcp")
	default:
		r.block(pick(methodBlocks[:], e.Method))
		if original, ok := originalMethod(e); ok {
			r.bytes(httpRequestMethodOriginalKey, original)
		}
		if r.answered {
			r.int(httpResponseStatusCodeKey, int64(e.Code))
		}
		r.rpcAttributes()
	}
	r.status()
}

// requestAttributes writes what the request and its sender say.
func (r *request) requestAttributes() {
	e := r.e
	r.text(urlSchemeKey, e.At(wire.Scheme))
	r.text(urlPathKey, r.target.path)
	r.query()
	if e.TCP {
		r.address(&serverKeys, &e.DownstreamLocal)
	} else {
		r.server()
	}
	r.client()
	if r.kind == kindClient { // a sidecar's, of a request that its own pod made
		r.fullURL()
		r.address(&networkPeerKeys, &e.UpstreamRemote)
	} else {
		r.address(&networkPeerKeys, &e.DownstreamDirect)
	}
	r.block(pick(protocolBlocks[:], e.Protocol))
	r.block(pick(tlsBlocks[:], e.TLSVersion))
	r.text(userAgentOriginalKey, e.At(wire.UserAgent))
	if !e.TCP {
		r.bodySize(httpRequestBodySizeKey, e.RequestBody)
		r.bodySize(httpResponseBodySizeKey, e.ResponseBody)
	}
	r.otherSide()
	for _, key := range r.b.opts.RequestHeaders {
		if v, ok := e.Fields(wire.RequestHeaders).Get(key); ok {
			r.texts("http.request.header.", key, v)
		}
	}
	if len(r.b.baggage) > 0 {
		r.baggage()
	}
	for _, key := range r.b.opts.ResponseHeaders {
		v, ok := e.Fields(wire.ResponseHeaders).Get(key)
		if !ok {
			v, ok = e.Fields(wire.ResponseTrailers).Get(key)
		}
		if ok {
			r.texts("http.response.header.", key, v)
		}
	}
}

// bodySize writes the size of a body. That a line or record does not tell it looks as if there was none.
func (r *request) bodySize(k *key, n uint64) {
	if n > 0 || r.l.form == FromALS {
		r.int(k, int64(n))
	}
}

// upstreamAttributes writes what the CLIENT span says of the host that was called.
func (r *request) upstreamAttributes() {
	e := r.e
	r.fullURL()
	r.address(&serverKeys, &e.UpstreamRemote)
	r.address(&networkPeerKeys, &e.UpstreamRemote)
	if e.Attempts > 1 {
		r.int(httpRequestResendCountKey, int64(e.Attempts-1))
	}
	r.text(envoyUpstreamClusterKey, e.At(wire.UpstreamCluster))
	r.text(envoyUpstreamTransportFailureReasonKey, e.At(wire.UpstreamFailure))
	r.peer(r.podAt(&e.UpstreamRemote))
}

// server writes whom the caller asked.
func (r *request) server() {
	authority := r.e.At(wire.Authority)
	from, to, port := splitAuthority(r.e.Bytes(authority))
	if from == to {
		return
	}
	r.text(serverKeys.address, authority.Part(from, to))
	if port == 0 && r.kind == kindClient { // required there
		port = defaultPort(r.e.Text(wire.Scheme))
	}
	if port != 0 {
		r.int(serverKeys.port, port)
	}
}

// client writes who called: what Envoy has found out, else the first of x-forwarded-for.
func (r *request) client() {
	if r.e.DownstreamRemote.Kind != wire.NoAddress {
		r.address(&clientKeys, &r.e.DownstreamRemote)
		return
	}
	first, _, _ := bytes.Cut(r.e.Text(wire.ForwardedFor), []byte{','})
	r.bytes(clientKeys.address, bytes.TrimSpace(first))
}

// fullURL writes url.full, without credentials.
func (r *request) fullURL() {
	e := r.e
	authority := withoutUser(e.Text(wire.Authority))
	if len(authority) == 0 || len(e.Text(wire.Scheme)) == 0 {
		return
	}
	full := append(append(append(r.scratch(), e.Text(wire.Scheme)...), "://"...), authority...)
	if path := e.Bytes(r.target.path); len(path) > 0 && path[0] == '/' { // "*" is no part of a URL
		full = append(full, path...)
	}
	if query := e.Bytes(r.target.query); len(query) > 0 {
		full = r.b.appendQuery(append(full, '?'), query)
	}
	r.bytes(urlFullKey, full)
}

// address writes the address and, where it has one, the port.
func (r *request) address(keys *pair, a *wire.Address) {
	if a.Host.Len() == 0 {
		return
	}
	r.text(keys.address, a.Host)
	if a.Port != 0 {
		r.int(keys.port, int64(a.Port))
	}
}
