package wire

// plain is an entry with its values instead of their places.
type plain struct {
	TCP          bool
	Type         AccessLogType
	Intermediate bool

	Start    Time
	Timings  [NumTimings]Time
	Duration Time

	DownstreamRemote, DownstreamLocal, DownstreamDirect host
	UpstreamRemote                                      host

	UpstreamCluster, RouteName         []byte
	UpstreamFailure, DownstreamFailure []byte
	TerminationDetails                 []byte
	StreamID                           []byte
	CustomTags                         pairs
	Flags                              ResponseFlags
	Attempts                           uint32
	TLSVersion                         int32
	SNI                                []byte

	BytesReceived, BytesSent uint64

	Protocol                              int32
	Method                                int32
	Scheme, Authority, Path               []byte
	OriginalPath, UserAgent, ForwardedFor []byte
	RequestID                             []byte
	RequestBody, ResponseBody             uint64
	RequestHeaders                        pairs

	Code                              uint32
	HasCode                           bool
	CodeDetails                       []byte
	ResponseHeaders, ResponseTrailers pairs
}

type host struct {
	Kind AddressKind
	Host []byte
	Port uint32
}

type pair struct{ Key, Value []byte }

type pairs []pair

func (p pairs) Get(key string) ([]byte, bool) {
	for i := len(p) - 1; i >= 0; i-- {
		if string(p[i].Key) == key {
			return p[i].Value, true
		}
	}
	return nil, false
}

func plainOf(e *Entry) plain {
	address := func(a Address) host { return host{a.Kind, e.Bytes(a.Host), a.Port} }
	fields := func(m MapField) (p pairs) {
		f := e.Fields(m)
		for i := range f.Len() {
			p = append(p, pair{f.Key(i), f.Value(i)})
		}
		return p
	}
	return plain{
		TCP: e.TCP, Type: e.Type, Intermediate: e.Intermediate, Start: e.Start, Timings: e.Timings, Duration: e.Duration,
		DownstreamRemote: address(e.DownstreamRemote), DownstreamLocal: address(e.DownstreamLocal),
		DownstreamDirect: address(e.DownstreamDirect), UpstreamRemote: address(e.UpstreamRemote),
		UpstreamCluster: e.Text(UpstreamCluster), RouteName: e.Text(RouteName), UpstreamFailure: e.Text(UpstreamFailure),
		DownstreamFailure: e.Text(DownstreamFailure), TerminationDetails: e.Text(TerminationDetails), StreamID: e.Text(StreamID),
		CustomTags: fields(CustomTags), Flags: e.Flags, Attempts: e.Attempts, TLSVersion: e.TLSVersion, SNI: e.Text(SNI),
		BytesReceived: e.BytesReceived, BytesSent: e.BytesSent, Protocol: e.Protocol, Method: e.Method,
		Scheme: e.Text(Scheme), Authority: e.Text(Authority), Path: e.Text(Path), OriginalPath: e.Text(OriginalPath),
		UserAgent: e.Text(UserAgent), ForwardedFor: e.Text(ForwardedFor), RequestID: e.Text(RequestID),
		RequestBody: e.RequestBody, ResponseBody: e.ResponseBody, RequestHeaders: fields(RequestHeaders),
		Code: e.Code, HasCode: e.HasCode, CodeDetails: e.Text(CodeDetails),
		ResponseHeaders: fields(ResponseHeaders), ResponseTrailers: fields(ResponseTrailers),
	}
}
