package accesslog

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/wire"
)

// encoder makes an encoded HTTPAccessLogEntry (envoy/data/accesslog/v3/accesslog.proto) of values in text form. The pieces of a message
// that is there twice merge, so each value is written as it comes, in the messages around it.
type encoder struct {
	fields *Fields
	out    []byte
	has    [numFields]bool
	asTold [numFields]bool // by a name of the operator's
	mark   Mark
	node   []byte // that the values name
	log    []byte
	known  map[string]target // what was found for names
	room   []byte            // for a message in a message
}

// Field numbers of HTTPAccessLogEntry and of the messages in it.
const (
	entryCommon, entryProtocol, entryRequest, entryResponse = 1, 2, 3, 4

	commonRemote, commonLocal, commonTLS, commonStart = 2, 3, 4, 5
	commonUpstreamHost, commonCluster, commonFlags    = 13, 15, 16
	commonUpstreamFailure, commonRoute, commonDirect  = 18, 19, 20
	commonTags, commonDuration, commonAttempts        = 22, 23, 24
	commonTermination, commonStreamID                 = 25, 26
	commonDownstreamFailure, commonType               = 28, 33

	requestMethodField, requestScheme, requestAuthority, requestPath = 1, 2, 3, 5
	requestUserAgent, requestForwardedFor, requestIDField            = 6, 8, 9
	requestOriginalPath, requestBodyBytes, requestHeaders            = 10, 12, 13
	responseCodeField, responseBodyBytes, responseHeaders            = 1, 3, 4
	responseTrailers, responseDetails                                = 5, 6
)

// Fields of strings: in which message of the entry, and with which number.
var textFields = [numFields][2]uint32{
	isPath: {entryRequest, requestPath}, isOriginalPath: {entryRequest, requestOriginalPath}, isAuthority: {entryRequest, requestAuthority},
	isScheme: {entryRequest, requestScheme}, isRequestID: {entryRequest, requestIDField}, isUserAgent: {entryRequest, requestUserAgent},
	isForwardedFor: {entryRequest, requestForwardedFor}, isUpstreamCluster: {entryCommon, commonCluster}, isRouteName: {entryCommon, commonRoute},
	isUpstreamFailure: {entryCommon, commonUpstreamFailure}, isDownstreamFailure: {entryCommon, commonDownstreamFailure},
	isTerminationDetails: {entryCommon, commonTermination}, isResponseCodeDetails: {entryResponse, responseDetails},
}

var addressFields = [numFields]uint32{isUpstreamHost: commonUpstreamHost, isDownstreamRemote: commonRemote, isDownstreamLocal: commonLocal, isDownstreamDirect: commonDirect}

// The values of enums, by what Envoy's operators print.
var (
	protocols = []string{"", "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"}
	versions  = []string{"", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
	logTypes  = []string{"NotSet", "TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd", "DownstreamStart", "DownstreamPeriodic", "DownstreamEnd",
		"UpstreamPoolReady", "UpstreamPeriodic", "UpstreamEnd", "DownstreamTunnelSuccessfullyEstablished", "UdpTunnelUpstreamConnected",
		"UdpPeriodic", "UdpSessionEnd", "TcpConnectionStart"}
	// Without case and underscores, which differ from one form of %GRPC_STATUS% to the other.
	grpcStatuses = func() (list []string) {
		for c := codes.OK; c <= codes.Unauthenticated; c++ {
			list = append(list, strings.ToUpper(c.String()))
		}
		return list
	}()
)

// reset makes e begin an entry.
func (e *encoder) reset() {
	e.out, e.has, e.asTold, e.mark, e.node, e.log = e.out[:0], [numFields]bool{}, [numFields]bool{}, 0, e.node[:0], e.log[:0]
}

// target tells what the value with that name is. Names are few, and what was found for them is kept.
func (e *encoder) target(name []byte) target {
	if t, ok := e.known[string(name)]; ok {
		return t
	}
	const most = 4096
	if e.known == nil || len(e.known) >= most {
		e.known = map[string]target{}
	}
	t := e.fields.find(name)
	e.known[string(name)] = t
	return t
}

// absent tells whether a value says that there is none.
func absent(v []byte) bool { return len(v) == 0 || len(v) == 1 && v[0] == '-' }

// put takes a value. One that makes no sense where it is counts as absent. Of two that are the same thing that with a name of the
// operator's counts, else the first.
func (e *encoder) put(t target, v []byte) {
	if t.field == isRequestHeader && t.name == "tracestate" && len(v) == 0 { // an empty one is evidence, too
		e.member(entryRequest, requestHeaders, t.name, v)
		return
	}
	if t.field == ignored || absent(v) {
		return
	}
	switch t.field {
	case isRequestHeader:
		e.member(entryRequest, requestHeaders, t.name, v)
		return
	case isResponseHeader:
		e.member(entryResponse, responseHeaders, t.name, v)
		return
	case isCustomTag:
		e.member(entryCommon, commonTags, t.name, v)
		return
	}
	if e.has[t.field] && (!t.told || e.asTold[t.field]) {
		return
	}
	if e.value(t.field, v) {
		e.has[t.field], e.asTold[t.field] = true, t.told
	}
}

// value writes the value of a field, false if it makes no sense.
func (e *encoder) value(f field, v []byte) bool {
	if at := textFields[f]; at[0] != 0 {
		e.text(at[0], at[1], v)
		return true
	}
	if num := addressFields[f]; num != 0 {
		return e.address(num, v)
	}
	switch f {
	case isStartTime:
		return e.start(v)
	case isDuration:
		return e.length(v)
	case isMethod:
		i := slices.Index(wire.MethodNames[:], string(v))
		if i < 0 {
			e.member(entryRequest, requestHeaders, ":method", v)
			return true
		}
		e.uint(entryRequest, requestMethodField, uint64(i))
	case isProtocol:
		return e.enum(protocols, v, func(i uint64) { e.out = wire.AppendUint(e.out, entryProtocol, i) })
	case isResponseCode:
		code, err := strconv.ParseUint(string(v), 10, 16)
		if err != nil {
			return false
		}
		e.nested(entryResponse, responseCodeField, wire.AppendUint(e.begin(), 1, code))
	case isResponseFlags:
		return e.flags(v)
	case isBytesReceived:
		return e.count(entryRequest, requestBodyBytes, v)
	case isBytesSent:
		return e.count(entryResponse, responseBodyBytes, v)
	case isAttempts:
		return e.count(entryCommon, commonAttempts, v)
	case isServerName:
		e.nested(entryCommon, commonTLS, wire.AppendBytes(e.begin(), 3, v))
	case isTLSVersion:
		return e.enum(versions, v, func(i uint64) { e.nested(entryCommon, commonTLS, wire.AppendUint(e.begin(), 1, i)) })
	case isLogType:
		return e.enum(logTypes, v, func(i uint64) { e.uint(entryCommon, commonType, i) })
	case isGRPCStatus:
		return e.status(v)
	case isTraceID:
		e.member(entryCommon, commonTags, e.fields.traceTag, v)
	case isSpanID:
		e.member(entryCommon, commonTags, e.fields.spanTag, v)
	case isNodeID:
		e.node = append(e.node[:0], v...)
	case isLogName:
		e.log = append(e.log[:0], v...)
	}
	return true
}

// nested writes a message within a message of the entry, text a string, uint an integer, member a member of a map.
func (e *encoder) nested(outer, num uint32, v []byte) {
	e.text(outer, num, v)
	e.room = v
}

// begin gives room for a message that nested writes.
func (e *encoder) begin() []byte { return e.room[:0] }

func (e *encoder) text(outer, num uint32, v []byte) {
	e.out = wire.AppendVarint(e.out, uint64(outer)<<3|wire.Bytes)
	e.out = wire.AppendVarint(e.out, uint64(wire.SizeVarint(uint64(num)<<3)+wire.SizeVarint(uint64(len(v)))+len(v)))
	e.out = wire.AppendBytes(e.out, num, v)
}

func (e *encoder) uint(outer, num uint32, v uint64) {
	e.out = wire.AppendVarint(e.out, uint64(outer)<<3|wire.Bytes)
	e.out = wire.AppendVarint(e.out, uint64(wire.SizeVarint(uint64(num)<<3)+wire.SizeVarint(v)))
	e.out = wire.AppendUint(e.out, num, v)
}

func (e *encoder) member(outer, num uint32, name string, v []byte) {
	size := func(n int) int { return 1 + wire.SizeVarint(uint64(n)) + n }
	inner := size(len(name)) + size(len(v))
	e.out = wire.AppendVarint(e.out, uint64(outer)<<3|wire.Bytes)
	e.out = wire.AppendVarint(e.out, uint64(wire.SizeVarint(uint64(num)<<3)+wire.SizeVarint(uint64(inner))+inner))
	e.out = wire.AppendVarint(wire.AppendVarint(e.out, uint64(num)<<3|wire.Bytes), uint64(inner))
	e.out = wire.AppendBytes(wire.AppendBytes(e.out, 1, name), 2, v)
}

func (e *encoder) enum(names []string, v []byte, write func(uint64)) bool {
	i := slices.Index(names, string(v))
	if i > 0 {
		write(uint64(i))
	}
	return i >= 0
}

func (e *encoder) count(outer, num uint32, v []byte) bool {
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err == nil {
		e.uint(outer, num, n)
	}
	return err == nil
}

// reasonGiven is message Unauthorized { Reason reason = 1; }.
var reasonGiven = []byte{1<<3 | wire.Varint, 1}

// flags takes response flags by their short or long names, joined by commas.
func (e *encoder) flags(v []byte) bool {
	known := false
	for name := range bytes.SplitSeq(v, []byte{','}) {
		n := wire.FlagNumber(string(bytes.TrimSpace(name)))
		if n == 0 {
			continue
		}
		known = true
		if n == wire.FlagUnauthorized {
			e.nested(entryCommon, commonFlags, wire.AppendBytes(e.begin(), n, reasonGiven))
			continue
		}
		e.nested(entryCommon, commonFlags, wire.AppendUint(e.begin(), n, 1))
	}
	return known
}

// address takes ip:port, an IP address alone, or the path of a pipe.
func (e *encoder) address(num uint32, v []byte) bool {
	const socket, pipe, internal = 1, 2, 3
	if v[0] == '/' || v[0] == '@' {
		e.named(num, pipe, v)
		return true
	}
	if name, ok := bytes.CutPrefix(v, []byte("envoy://")); ok {
		name, _, _ = bytes.Cut(name, []byte{'/'})
		e.named(num, internal, name)
		return true
	}
	host, port := v, uint64(0)
	if i := bytes.LastIndexByte(v, ':'); i >= 0 && (bytes.IndexByte(v, ':') == i || v[i-1] == ']') {
		n, err := strconv.ParseUint(string(v[i+1:]), 10, 16)
		if err != nil {
			return false
		}
		host, port = v[:i], n
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if !isIP(host) {
		return false
	}
	// message SocketAddress { string address = 2; uint32 port_value = 3; }
	size := 2 + len(host) + 1 + wire.SizeVarint(port)
	in := wire.AppendVarint(append(e.begin(), socket<<3|wire.Bytes), uint64(size))
	e.nested(entryCommon, num, wire.AppendUint(wire.AppendBytes(in, 2, host), 3, port))
	return true
}

// isIP tells whether host is an IP address. What looks like IPv4 is taken for one: to parse it would allocate.
func isIP(host []byte) bool {
	if bytes.Count(host, []byte{'.'}) == 3 && len(bytes.Trim(host, "0123456789.")) == 0 {
		return true
	}
	_, err := netip.ParseAddr(string(host))
	return err == nil
}

// named writes an address that has only a name.
func (e *encoder) named(num, form uint32, name []byte) {
	in := wire.AppendVarint(e.begin(), uint64(form)<<3|wire.Bytes)
	in = wire.AppendVarint(in, uint64(1+wire.SizeVarint(uint64(len(name)))+len(name)))
	e.nested(entryCommon, num, wire.AppendBytes(in, 1, name))
}

// status takes a gRPC status by name or number. A request that has one is a gRPC call.
func (e *encoder) status(v []byte) bool {
	n, err := strconv.ParseUint(string(v), 10, 32)
	if err != nil {
		name := bytes.ToUpper(bytes.ReplaceAll(v, []byte{'_'}, nil))
		i := slices.Index(grpcStatuses, string(name))
		if i < 0 && string(name) == "CANCELLED" {
			i = 1
		}
		if i < 0 {
			return false
		}
		n = uint64(i)
	}
	e.member(entryResponse, responseTrailers, "grpc-status", strconv.AppendUint(nil, n, 10))
	e.member(entryRequest, requestHeaders, "content-type", []byte("application/grpc"))
	return true
}

// told tells whether the values are those of a request.
func (e *encoder) told() bool {
	return e.has[isDuration] || e.has[isStartTime] && (e.has[isResponseCode] || e.has[isPath] || e.has[isAuthority])
}

// finish ends the entry: where it stands tells it from all others that say the same.
func (e *encoder) finish(place []byte) {
	id := xxh3.Hash128(place).Bytes()
	var text [2 * len(id)]byte
	hex.Encode(text[:], id[:])
	e.text(entryCommon, commonStreamID, text[:])
}
