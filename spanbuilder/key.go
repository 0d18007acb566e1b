package spanbuilder

import (
	"encoding/binary"

	"github.com/alspan/alspan/internal/wire"
)

// key is the name of an attribute with all that stands before its value, rendered for the usual case that every length
// is below 128: writing an attribute is then a copy of constant size, three length bytes, and the value.
//
//	4a LL                 field attributes of a Span, length
//	      0a KL name      KeyValue.key
//	      12 VV           KeyValue.value, length
//	            0a SS     AnyValue.string_value, length; or 18 for int_value, 21 for double_value
type key struct {
	name  string
	head  [headRoom]byte
	size  uint8 // bytes of head in use
	tail  uint8 // where its last lengths are: the last four bytes for a string, two for a number
	bit   uint64
	short int // longest string for which every length is below 128
}

const (
	headRoom  = 64
	valueRoom = 128
	quickRoom = 255 + valueRoom // what the quick way may write behind dst: any uint8 is an index with which a value fits
)

func newKey(name string, value byte) *key {
	k := &key{name: name, bit: keyBit(name)}
	head := append(k.head[:0], spanAttributes<<3|wire.Bytes, 0, 1<<3|wire.Bytes, byte(len(name)))
	head = append(append(head, name...), 2<<3|wire.Bytes, 0, value)
	if value == valueString<<3|wire.Bytes {
		head = append(head, 0)
	}
	if len(head) > headRoom {
		panic("the name of an attribute is too long: " + name)
	}
	k.size, k.short = uint8(len(head)), 127+2-len(head)
	k.tail = k.size - 4
	if value != valueString<<3|wire.Bytes {
		k.tail = k.size - 2
	}
	return k
}

func stringKey(name string) *key { return newKey(name, valueString<<3|wire.Bytes) }
func intKey(name string) *key    { return newKey(name, valueInt<<3|wire.Varint) }
func doubleKey(name string) *key { return newKey(name, valueDouble<<3|wire.Fixed64) }

// begin writes what stands before a string of n bytes and gives where it goes.
func (k *key) begin(d *[quickRoom]byte, n int) *[valueRoom]byte {
	*(*[headRoom]byte)(d[:]) = k.head
	d[1] = k.size - 2 + byte(n)
	binary.LittleEndian.PutUint32(d[k.tail:], shortString(n))
	return (*[valueRoom]byte)(d[k.size:])
}

// shortString gives the four bytes that stand between a key and a string of n bytes, less than 126: 12 VV 0a SS.
func shortString(n int) uint32 {
	return 2<<3 | wire.Bytes | uint32(n+2)<<8 | (valueString<<3|wire.Bytes)<<16 | uint32(n)<<24
}

// A block is one attribute or several, rendered whole.
type block struct {
	bytes [headRoom]byte
	size  int
	count int // attributes
	bits  uint64
}

// newBlock renders attributes with strings of our own: keys and values in turn.
func newBlock(pairs ...string) (b block) {
	e := encoder{field: spanAttributes, limit: headRoom}
	for i := 0; i < len(pairs); i += 2 {
		e.strOf(pairs[i], pairs[i+1])
		b.bits |= keyBit(pairs[i])
	}
	if b.size, b.count = copy(b.bytes[:], e.dst), e.count; b.size < len(e.dst) {
		panic("a block is too long")
	}
	return b
}

// pair are the two attributes of an address.
type pair struct{ address, port *key }

func addressKeys(prefix string) pair {
	return pair{stringKey(prefix + ".address"), intKey(prefix + ".port")}
}

// The attributes of spans, by name.
var (
	clientKeys      = addressKeys("client")
	serverKeys      = addressKeys("server")
	networkPeerKeys = addressKeys("network.peer")

	networkTransportKey          = stringKey("network.transport")
	httpRequestMethodOriginalKey = stringKey("http.request.method_original")
	httpRequestBodySizeKey       = intKey("http.request.body.size")
	httpRequestResendCountKey    = intKey("http.request.resend_count")
	httpResponseBodySizeKey      = intKey("http.response.body.size")
	httpResponseStatusCodeKey    = intKey("http.response.status_code")
	urlFullKey                   = stringKey("url.full")
	urlPathKey                   = stringKey("url.path")
	urlQueryKey                  = stringKey("url.query")
	urlSchemeKey                 = stringKey("url.scheme")
	userAgentOriginalKey         = stringKey("user_agent.original")
	errorTypeKey                 = stringKey("error.type")
	rpcMethodKey                 = stringKey("rpc.method")
	rpcMethodOriginalKey         = stringKey("rpc.method_original")
	rpcResponseStatusCodeKey     = stringKey("rpc.response.status_code")
	rpcSystemNameKey             = stringKey("rpc.system.name")
	peerServiceKey               = stringKey("peer.service")
	servicePeerNameKey           = stringKey("service.peer.name")
	servicePeerNamespaceKey      = stringKey("service.peer.namespace")

	envoyAttemptsKey                         = intKey("envoy.attempts")
	envoyBytesReceivedKey                    = intKey("envoy.bytes_received")
	envoyBytesSentKey                        = intKey("envoy.bytes_sent")
	envoyConnectionTerminationDetailsKey     = stringKey("envoy.connection_termination_details")
	envoyDownstreamTransportFailureReasonKey = stringKey("envoy.downstream_transport_failure_reason")
	envoyLogNameKey                          = stringKey("envoy.log_name")
	envoyOverheadMSKey                       = doubleKey("envoy.overhead_ms")
	envoyRequestIDKey                        = stringKey("envoy.request_id")
	envoyRequestedServerNameKey              = stringKey("envoy.requested_server_name")
	envoyResponseCodeDetailsKey              = stringKey("envoy.response_code_details")
	envoyResponseFlagsKey                    = stringKey("envoy.response_flags")
	envoyRouteNameKey                        = stringKey("envoy.route_name")
	envoyUpstreamAddressKey                  = stringKey("envoy.upstream_address")
	envoyUpstreamClusterKey                  = stringKey("envoy.upstream_cluster")
	envoyUpstreamNamespaceKey                = stringKey("envoy.upstream.namespace")
	envoyUpstreamPodKey                      = stringKey("envoy.upstream.pod")
	envoyUpstreamServiceKey                  = stringKey("envoy.upstream.service")
	envoyUpstreamDurationMSKey               = doubleKey("envoy.upstream_duration_ms")
	envoyUpstreamTransportFailureReasonKey   = stringKey("envoy.upstream_transport_failure_reason")
)
