package spanbuilder

import "github.com/alspan/alspan/internal/wire"

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
	size  int // bytes of head in use
	short int // longest string for which every length is below 128
}

const (
	headRoom  = 64
	quickRoom = headRoom + 128 // what the quick way may write
)

func newKey(name string, value byte) *key {
	k := &key{name: name}
	head := append(k.head[:0], spanAttributes<<3|wire.Bytes, 0, 1<<3|wire.Bytes, byte(len(name)))
	head = append(append(head, name...), 2<<3|wire.Bytes, 0, value)
	if value == valueString<<3|wire.Bytes {
		head = append(head, 0)
	}
	k.size = len(head)
	if k.size <= headRoom { // else always the slow way
		k.short = 127 + 2 - k.size
	}
	return k
}

func stringKey(name string) *key { return newKey(name, valueString<<3|wire.Bytes) }
func intKey(name string) *key    { return newKey(name, valueInt<<3|wire.Varint) }
func doubleKey(name string) *key { return newKey(name, valueDouble<<3|wire.Fixed64) }

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

	networkProtocolVersionKey    = stringKey("network.protocol.version")
	networkTransportKey          = stringKey("network.transport")
	tlsProtocolNameKey           = stringKey("tls.protocol.name")
	tlsProtocolVersionKey        = stringKey("tls.protocol.version")
	httpRequestMethodKey         = stringKey("http.request.method")
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
	envoyUpstreamDurationMSKey               = doubleKey("envoy.upstream_duration_ms")
	envoyUpstreamTransportFailureReasonKey   = stringKey("envoy.upstream_transport_failure_reason")
)
