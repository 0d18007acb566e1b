package wire

// AccessLogType is envoy.data.accesslog.v3.AccessLogType.
type AccessLogType int32

const (
	NotSet               AccessLogType = 0
	TCPUpstreamConnected AccessLogType = 1
	TCPPeriodic          AccessLogType = 2
	TCPConnectionEnd     AccessLogType = 3
	DownstreamStart      AccessLogType = 4
	DownstreamPeriodic   AccessLogType = 5
	DownstreamEnd        AccessLogType = 6
	UpstreamPoolReady    AccessLogType = 7
	UpstreamPeriodic     AccessLogType = 8
	UpstreamEnd          AccessLogType = 9
	TunnelEstablished    AccessLogType = 10
	UDPUpstreamConnected AccessLogType = 11
	UDPPeriodic          AccessLogType = 12
	UDPSessionEnd        AccessLogType = 13
	TCPConnectionStart   AccessLogType = 14
)

// Field is one member of a logged map. Key and Value borrow the input.
type Field struct{ Key, Value []byte }

// Fields is a logged map in wire order. A key that is there twice counts with its last value.
type Fields []Field

// Get gives the value of key, and whether the key is there at all: an empty value is evidence, too.
func (f Fields) Get(key string) ([]byte, bool) {
	for i := len(f) - 1; i >= 0; i-- {
		if string(f[i].Key) == key {
			return f[i].Value, true
		}
	}
	return nil, false
}

// The timings of an entry: offsets from its start, in the order in which the fields are numbered.
const (
	LastDownstreamRx = iota
	FirstUpstreamTx
	LastUpstreamTx
	FirstUpstreamRx
	LastUpstreamRx
	FirstDownstreamTx
	LastDownstreamTx
	NumTimings
)

// Entry is a flat view of an HTTPAccessLogEntry or TCPAccessLogEntry (envoy/data/accesslog/v3/accesslog.proto): the
// fields from which spans are made. Its byte slices borrow the input. An Entry is reused from one record to the next,
// so that its maps are allocated once per stream.
type Entry struct {
	TCP          bool
	Type         AccessLogType
	Intermediate bool

	Start    Time
	Timings  [NumTimings]Time
	Duration Time

	DownstreamRemote, DownstreamLocal, DownstreamDirect Address
	UpstreamRemote                                      Address

	UpstreamCluster, RouteName         []byte
	UpstreamFailure, DownstreamFailure []byte
	TerminationDetails                 []byte
	StreamID                           []byte
	CustomTags                         Fields
	Flags                              ResponseFlags
	Attempts                           uint32
	TLSVersion                         int32
	SNI                                []byte

	// BytesReceived and BytesSent are those of a TCP connection.
	BytesReceived, BytesSent uint64

	Protocol                              int32
	Method                                int32
	Scheme, Authority, Path               []byte
	OriginalPath, UserAgent, ForwardedFor []byte
	RequestID                             []byte
	RequestBody, ResponseBody             uint64
	RequestHeaders                        Fields

	// Code is the response code; HasCode is false when no response was sent.
	Code                              uint32
	HasCode                           bool
	CodeDetails                       []byte
	ResponseHeaders, ResponseTrailers Fields
}

// HasUpstream tells whether the entry names an upstream host: only then can Envoy have injected its trace context.
func (e *Entry) HasUpstream() bool { return e.UpstreamRemote.Kind != NoAddress }

// reset clears the entry and keeps the storage of its maps.
func (e *Entry) reset(tcp bool) {
	*e = Entry{TCP: tcp, CustomTags: e.CustomTags.emptied(), RequestHeaders: e.RequestHeaders.emptied(),
		ResponseHeaders: e.ResponseHeaders.emptied(), ResponseTrailers: e.ResponseTrailers.emptied()}
}

// WalkHTTP makes e a view of the encoded HTTPAccessLogEntry b. It gives false when b is malformed.
//
//	message HTTPAccessLogEntry {
//	  AccessLogCommon common_properties = 1; HTTPVersion protocol_version = 2;
//	  HTTPRequestProperties request = 3; HTTPResponseProperties response = 4;
//	}
func (e *Entry) WalkHTTP(b []byte) bool {
	e.reset(false)
	r := Read(b)
	for r.Next() {
		ok := true
		switch r.Key {
		case 1<<3 | Bytes:
			ok = e.walkCommon(r.Bytes)
		case 2<<3 | Varint:
			e.Protocol = int32(r.Int)
		case 3<<3 | Bytes:
			ok = e.walkRequest(r.Bytes)
		case 4<<3 | Bytes:
			ok = e.walkResponse(r.Bytes)
		}
		if !ok {
			return false
		}
	}
	return !r.broken
}

// WalkTCP makes e a view of the encoded TCPAccessLogEntry b. It gives false when b is malformed.
//
//	message TCPAccessLogEntry { AccessLogCommon common_properties = 1; ConnectionProperties connection_properties = 2; }
//	message ConnectionProperties { uint64 received_bytes = 1; uint64 sent_bytes = 2; }
func (e *Entry) WalkTCP(b []byte) bool {
	e.reset(true)
	r := Read(b)
	for r.Next() {
		ok := true
		switch r.Key {
		case 1<<3 | Bytes:
			ok = e.walkCommon(r.Bytes)
		case 2<<3 | Bytes:
			ok = Sub(r.Bytes, func(s Reader) {
				switch s.Key {
				case 1<<3 | Varint:
					e.BytesReceived = s.Int
				case 2<<3 | Varint:
					e.BytesSent = s.Int
				}
			})
		}
		if !ok {
			return false
		}
	}
	return !r.broken
}

// The fields of AccessLogCommon that make spans; metadata (17) and filter state (21) are skipped by their length.
func (e *Entry) walkCommon(b []byte) bool {
	r := Read(b)
	for r.Next() {
		ok := true
		switch r.Key {
		case 2<<3 | Bytes:
			ok = e.DownstreamRemote.walk(r.Bytes)
		case 3<<3 | Bytes:
			ok = e.DownstreamLocal.walk(r.Bytes)
		case 4<<3 | Bytes:
			ok = e.walkTLS(r.Bytes)
		case 5<<3 | Bytes:
			ok = e.Start.walk(r.Bytes)
		case 6<<3 | Bytes, 7<<3 | Bytes, 8<<3 | Bytes, 9<<3 | Bytes, 10<<3 | Bytes, 11<<3 | Bytes, 12<<3 | Bytes:
			ok = e.Timings[r.Key>>3-6].walk(r.Bytes)
		case 13<<3 | Bytes:
			ok = e.UpstreamRemote.walk(r.Bytes)
		case 15<<3 | Bytes:
			e.UpstreamCluster = r.Bytes
		case 16<<3 | Bytes:
			ok = e.Flags.walk(r.Bytes)
		case 18<<3 | Bytes:
			e.UpstreamFailure = r.Bytes
		case 19<<3 | Bytes:
			e.RouteName = r.Bytes
		case 20<<3 | Bytes:
			ok = e.DownstreamDirect.walk(r.Bytes)
		case 22<<3 | Bytes:
			ok = e.CustomTags.walk(r.Bytes)
		case 23<<3 | Bytes:
			ok = e.Duration.walk(r.Bytes)
		case 24<<3 | Varint:
			e.Attempts = uint32(r.Int)
		case 25<<3 | Bytes:
			e.TerminationDetails = r.Bytes
		case 26<<3 | Bytes:
			e.StreamID = r.Bytes
		case 27<<3 | Varint:
			e.Intermediate = r.Int != 0
		case 28<<3 | Bytes:
			e.DownstreamFailure = r.Bytes
		case 33<<3 | Varint:
			e.Type = AccessLogType(r.Int)
		}
		if !ok {
			return false
		}
	}
	return !r.broken
}

// message TLSProperties { TLSVersion tls_version = 1; ... string tls_sni_hostname = 3; ... }
func (e *Entry) walkTLS(b []byte) bool {
	return Sub(b, func(r Reader) {
		switch r.Key {
		case 1<<3 | Varint:
			e.TLSVersion = int32(r.Int)
		case 3<<3 | Bytes:
			e.SNI = r.Bytes
		}
	})
}

func (e *Entry) walkRequest(b []byte) bool {
	r := Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | Varint:
			e.Method = int32(r.Int)
		case 2<<3 | Bytes:
			e.Scheme = r.Bytes
		case 3<<3 | Bytes:
			e.Authority = r.Bytes
		case 5<<3 | Bytes:
			e.Path = r.Bytes
		case 6<<3 | Bytes:
			e.UserAgent = r.Bytes
		case 8<<3 | Bytes:
			e.ForwardedFor = r.Bytes
		case 9<<3 | Bytes:
			e.RequestID = r.Bytes
		case 10<<3 | Bytes:
			e.OriginalPath = r.Bytes
		case 12<<3 | Varint:
			e.RequestBody = r.Int
		case 13<<3 | Bytes:
			if !e.RequestHeaders.walk(r.Bytes) {
				return false
			}
		}
	}
	return !r.broken
}

func (e *Entry) walkResponse(b []byte) bool {
	r := Read(b)
	for r.Next() {
		ok := true
		switch r.Key {
		case 1<<3 | Bytes: // google.protobuf.UInt32Value { uint32 value = 1; }
			e.HasCode = true
			ok = Sub(r.Bytes, func(s Reader) {
				if s.Key == 1<<3|Varint {
					e.Code = uint32(s.Int)
				}
			})
		case 3<<3 | Varint:
			e.ResponseBody = r.Int
		case 4<<3 | Bytes:
			ok = e.ResponseHeaders.walk(r.Bytes)
		case 5<<3 | Bytes:
			ok = e.ResponseTrailers.walk(r.Bytes)
		case 6<<3 | Bytes:
			e.CodeDetails = r.Bytes
		}
		if !ok {
			return false
		}
	}
	return !r.broken
}

// A map field is a repeated message { string key = 1; string value = 2; }.
func (f *Fields) walk(b []byte) bool {
	var kv Field
	r := Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | Bytes:
			kv.Key = r.Bytes
		case 2<<3 | Bytes:
			kv.Value = r.Bytes
		}
	}
	if len(*f) < maxFields {
		*f = append(*f, kv)
	}
	return !r.broken
}

// A map field of two bytes becomes one of 48 in memory, so there is a limit; Envoy's own is 100 headers by default. What is
// above is not looked at, and the storage of an unusual entry is not kept.
const (
	maxFields  = 4096
	keepFields = 256
)

func (f Fields) emptied() Fields {
	if cap(f) > keepFields {
		return nil
	}
	return f[:0]
}
