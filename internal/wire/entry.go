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
	for i := 0; i < len(b); {
		key, v, next := field(b, i, len(b))
		if i = next; next < 0 {
			return false
		}
		ok := true
		switch key {
		case 1<<3 | Bytes:
			ok = e.walkCommon(b, int(v), next)
		case 2<<3 | Varint:
			e.Protocol = int32(v)
		case 3<<3 | Bytes:
			ok = e.walkRequest(b, int(v), next)
		case 4<<3 | Bytes:
			ok = e.walkResponse(b, int(v), next)
		}
		if !ok {
			return false
		}
	}
	return true
}

// WalkTCP makes e a view of the encoded TCPAccessLogEntry b. It gives false when b is malformed.
//
//	message TCPAccessLogEntry { AccessLogCommon common_properties = 1; ConnectionProperties connection_properties = 2; }
//	message ConnectionProperties { uint64 received_bytes = 1; uint64 sent_bytes = 2; }
func (e *Entry) WalkTCP(b []byte) bool {
	e.reset(true)
	for i := 0; i < len(b); {
		key, v, next := field(b, i, len(b))
		if i = next; next < 0 {
			return false
		}
		ok := true
		switch key {
		case 1<<3 | Bytes:
			ok = e.walkCommon(b, int(v), next)
		case 2<<3 | Bytes:
			ok = Sub(b[v:next:next], func(s Reader) {
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
	return true
}

// The fields of AccessLogCommon that make spans; metadata (17) and filter state (21) are skipped by their length.
func (e *Entry) walkCommon(b []byte, i, end int) bool {
	for i < end {
		var num uint32
		var v, next int
		if i+2 < len(b) {
			num, v, next = short(b, i)
		}
		switch {
		case num == 0:
			key, x, after := field(b, i, end)
			if i = after; after < 0 {
				return false
			}
			if key&7 != Bytes {
				e.commonInt(key, x)
				continue
			}
			num, v, next = key>>3, int(x), after
		case next > end:
			return false
		}
		i = next
		ok := true
		switch num {
		case 2:
			ok = e.DownstreamRemote.walk(b, v, next)
		case 3:
			ok = e.DownstreamLocal.walk(b, v, next)
		case 4:
			ok = e.walkTLS(b[v:next:next])
		case 5:
			ok = e.Start.walk(b, v, next)
		case 6, 7, 8, 9, 10, 11, 12:
			ok = e.Timings[num-6].walk(b, v, next)
		case 13:
			ok = e.UpstreamRemote.walk(b, v, next)
		case 15:
			e.UpstreamCluster = b[v:next:next]
		case 16:
			ok = e.Flags.walk(b[v:next:next])
		case 18:
			e.UpstreamFailure = b[v:next:next]
		case 19:
			e.RouteName = b[v:next:next]
		case 20:
			ok = e.DownstreamDirect.walk(b, v, next)
		case 22:
			ok = e.CustomTags.walk(b, v, next)
		case 23:
			ok = e.Duration.walk(b, v, next)
		case 25:
			e.TerminationDetails = b[v:next:next]
		case 26:
			e.StreamID = b[v:next:next]
		case 28:
			e.DownstreamFailure = b[v:next:next]
		}
		if !ok {
			return false
		}
	}
	return true
}

// commonInt takes the integers of AccessLogCommon.
func (e *Entry) commonInt(key uint32, x uint64) {
	switch key {
	case 24<<3 | Varint:
		e.Attempts = uint32(x)
	case 27<<3 | Varint:
		e.Intermediate = x != 0
	case 33<<3 | Varint:
		e.Type = AccessLogType(x)
	}
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

func (e *Entry) walkRequest(b []byte, i, end int) bool {
	for i < end {
		var num uint32
		var v, next int
		if i+2 < len(b) {
			num, v, next = short(b, i)
		}
		switch {
		case num == 0:
			key, x, after := field(b, i, end)
			if i = after; after < 0 {
				return false
			}
			if key&7 != Bytes {
				e.requestInt(key, x)
				continue
			}
			num, v, next = key>>3, int(x), after
		case next > end:
			return false
		}
		i = next
		switch num {
		case 2:
			e.Scheme = b[v:next:next]
		case 3:
			e.Authority = b[v:next:next]
		case 5:
			e.Path = b[v:next:next]
		case 6:
			e.UserAgent = b[v:next:next]
		case 8:
			e.ForwardedFor = b[v:next:next]
		case 9:
			e.RequestID = b[v:next:next]
		case 10:
			e.OriginalPath = b[v:next:next]
		case 13:
			if !e.RequestHeaders.walk(b, v, next) {
				return false
			}
		}
	}
	return true
}

// requestInt takes the integers of HTTPRequestProperties.
func (e *Entry) requestInt(key uint32, x uint64) {
	switch key {
	case 1<<3 | Varint:
		e.Method = int32(x)
	case 12<<3 | Varint:
		e.RequestBody = x
	}
}

func (e *Entry) walkResponse(b []byte, i, end int) bool {
	for i < end {
		var num uint32
		var v, next int
		if i+2 < len(b) {
			num, v, next = short(b, i)
		}
		switch {
		case num == 0:
			key, x, after := field(b, i, end)
			if i = after; after < 0 {
				return false
			}
			if key&7 != Bytes {
				e.responseInt(key, x)
				continue
			}
			num, v, next = key>>3, int(x), after
		case next > end:
			return false
		}
		i = next
		ok := true
		switch num {
		case 1: // google.protobuf.UInt32Value { uint32 value = 1; }
			e.HasCode = true
			for i := int(v); i < next && ok; {
				key, v, after := field(b, i, next)
				if key == 1<<3|Varint {
					e.Code = uint32(v)
				}
				i, ok = after, after >= 0
			}
		case 4:
			ok = e.ResponseHeaders.walk(b, v, next)
		case 5:
			ok = e.ResponseTrailers.walk(b, v, next)
		case 6:
			e.CodeDetails = b[v:next:next]
		}
		if !ok {
			return false
		}
	}
	return true
}

// responseInt takes the integers of HTTPResponseProperties.
func (e *Entry) responseInt(key uint32, x uint64) {
	switch key {
	case 3<<3 | Varint:
		e.ResponseBody = x
	}
}

// A map field is a repeated message { string key = 1; string value = 2; }.
func (f *Fields) walk(b []byte, i, end int) bool {
	var kv Field
	if k, v := pair(b, i, end); v > 0 {
		kv.Key, kv.Value = b[i+2:k:k], b[v:end:end]
		i = end
	}
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		switch key {
		case 1<<3 | Bytes:
			kv.Key = b[v:next:next]
		case 2<<3 | Bytes:
			kv.Value = b[v:next:next]
		}
	}
	if len(*f) < maxFields {
		*f = append(*f, kv)
	}
	return true
}

// pair gives, for a map entry that is exactly a key and a value of less than 128 bytes each, where the key ends and the
// value begins; all others are (0, 0).
func pair(b []byte, i, end int) (keyEnd, value int) {
	const key, val = 1<<3 | Bytes, 2<<3 | Bytes
	if end-i < 4 || b[i] != key || b[i+1] >= 0x80 {
		return 0, 0
	}
	k := i + 2 + int(b[i+1])
	if end-k < 2 || b[k] != val || b[k+1] >= 0x80 || k+2+int(b[k+1]) != end {
		return 0, 0
	}
	return k, k + 2
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
