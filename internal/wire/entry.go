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

// MethodNames are the methods by their number in RequestMethod (envoy/config/core/v3/base.proto). One that Envoy does not know is 0.
var MethodNames = [...]string{1: "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// Place is where a value stands in the encoded entry. The zero value is an absent one.
type Place struct{ from, to uint32 }

// From gives where the value begins.
func (p Place) From() int { return int(p.from) }

// Len gives the length of the value in bytes.
func (p Place) Len() int { return int(p.to - p.from) }

// of gives the value in the encoded entry in.
func (p Place) of(in []byte) []byte { return in[p.from:p.to:p.to] }

// Part gives the bytes from..to of the value.
func (p Place) Part(from, to int) Place { return Place{p.from + uint32(from), p.from + uint32(to)} }

// TextField is a string of an entry.
type TextField uint8

const (
	UpstreamCluster TextField = iota
	UpstreamFailure
	RouteName
	TerminationDetails
	StreamID
	DownstreamFailure
	SNI
	Scheme
	Authority
	Path
	UserAgent
	ForwardedFor
	RequestID
	OriginalPath
	CodeDetails
	NumTexts
)

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

// Entry is a flat view of an HTTPAccessLogEntry or TCPAccessLogEntry (envoy/data/accesslog/v3/accesslog.proto): a table
// of where the values stand from which spans are made. It borrows the input. An Entry is reused from one record to the
// next, so that its maps are allocated once per stream.
type Entry struct {
	in   []byte
	maps [NumMaps][]member
	Facts
}

// Facts is what an entry says besides its maps.
type Facts struct {
	TCP          bool
	Intermediate bool
	HasCode      bool // false when no response was sent
	// Coarse is for the walker's caller to set: the entry was made of a log line that tells whole milliseconds.
	Coarse bool
	Type   AccessLogType

	Code       uint32 // of the response
	Method     int32
	Protocol   int32
	TLSVersion int32
	Attempts   uint32
	Flags      ResponseFlags

	RequestBody, ResponseBody uint64
	// BytesReceived and BytesSent are those of a TCP connection.
	BytesReceived, BytesSent uint64

	Start    Time
	Duration Time
	Timings  [NumTimings]Time

	DownstreamRemote, DownstreamLocal, DownstreamDirect Address
	UpstreamRemote                                      Address

	texts [NumTexts]Place
}

// At gives the place of a string.
func (e *Entry) At(t TextField) Place { return e.texts[t] }

// Text gives a string, empty when it is absent.
func (e *Entry) Text(t TextField) []byte { return e.Bytes(e.texts[t]) }

// Bytes gives what stands at p.
func (e *Entry) Bytes(p Place) []byte { return p.of(e.in) }

// Input gives the encoded entry, in which the places are.
func (e *Entry) Input() []byte { return e.in }

// HasUpstream tells whether the entry names an upstream host: only then can Envoy have injected its trace context.
func (e *Entry) HasUpstream() bool { return e.UpstreamRemote.Kind != NoAddress }

// reset clears the entry and keeps the storage of its maps.
func (e *Entry) reset(in []byte, tcp bool) {
	e.in, e.Facts = in, Facts{TCP: tcp}
	for i := range e.maps {
		e.maps[i] = emptied(e.maps[i])
	}
}

// WalkHTTP makes e a view of the encoded HTTPAccessLogEntry b. It gives false when b is malformed.
func (e *Entry) WalkHTTP(b []byte) bool {
	e.reset(b, false)
	return e.walk(b, 0, len(b), &httpEntrySchema)
}

// WalkTCP makes e a view of the encoded TCPAccessLogEntry b. It gives false when b is malformed.
func (e *Entry) WalkTCP(b []byte) bool {
	e.reset(b, true)
	return e.walk(b, 0, len(b), &tcpEntrySchema)
}

// Set makes v a string of e, as a walk does. It copies v: for entries that come from elsewhere.
func (e *Entry) Set(t TextField, v []byte) { e.texts[t] = e.Keep(v) }

// Keep copies v behind what e has and gives its place.
func (e *Entry) Keep(v []byte) Place {
	from := len(e.in)
	e.in = append(e.in[:from:from], v...)
	return Place{uint32(from), uint32(len(e.in))}
}
