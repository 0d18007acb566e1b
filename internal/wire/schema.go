package wire

// use is what a field is good for: a message of its own, or where in Entry its value goes.
type use uint8

const (
	unusual use = iota // left to field: other wire types, and tags of three bytes or more
	skippedInt

	// Integers, enums and booleans.
	attempts
	intermediate
	logType
	tlsVersion
	protocolVersion
	requestMethod
	requestBody
	responseBody
	responseCode
	bytesReceived
	bytesSent

	skipped // from here on: fields with a length

	// Messages.
	commonMessage
	requestMessage
	responseMessage
	connectionMessage
	tlsMessage
	codeMessage
	flagsMessage
	startTime
	downstreamRemote
	downstreamLocal
	downstreamDirect
	upstreamRemote
	durationTime
	timing                              // the first of Timings, and the next ones
	memberOf = timing + use(NumTimings) // of the first MapField, and the next ones
	textOf   = memberOf + use(NumMaps)  // the first TextField, and the next ones
)

// A schema tells the use of the fields of a message by their tag: number<<3 | wire type, for numbers up to 63.
type schema [64 << 3]use

// newSchema makes a schema from the uses of fields by their number. All others are skipped.
func newSchema(uses map[int]use) (s schema) {
	for num := 1; num < 64; num++ {
		s[num<<3|Varint], s[num<<3|Bytes] = skippedInt, skipped
		switch to := uses[num]; {
		case to > skipped:
			s[num<<3|Bytes] = to
		case to > skippedInt:
			s[num<<3|Varint] = to
		}
	}
	return s
}

// envoy/data/accesslog/v3/accesslog.proto
var (
	httpEntrySchema = newSchema(map[int]use{1: commonMessage, 2: protocolVersion, 3: requestMessage, 4: responseMessage})
	tcpEntrySchema  = newSchema(map[int]use{1: commonMessage, 2: connectionMessage})
	// Metadata (17) and filter state (21), which may be large, are skipped by their length.
	commonSchema = newSchema(map[int]use{
		2: downstreamRemote, 3: downstreamLocal, 4: tlsMessage, 5: startTime,
		6: timing + LastDownstreamRx, 7: timing + FirstUpstreamTx, 8: timing + LastUpstreamTx, 9: timing + FirstUpstreamRx,
		10: timing + LastUpstreamRx, 11: timing + FirstDownstreamTx, 12: timing + LastDownstreamTx, 13: upstreamRemote,
		15: textOf + use(UpstreamCluster), 16: flagsMessage, 18: textOf + use(UpstreamFailure), 19: textOf + use(RouteName),
		20: downstreamDirect, 22: memberOf + use(CustomTags), 23: durationTime, 24: attempts, 25: textOf + use(TerminationDetails),
		26: textOf + use(StreamID), 27: intermediate, 28: textOf + use(DownstreamFailure), 33: logType,
	})
	requestSchema = newSchema(map[int]use{
		1: requestMethod, 2: textOf + use(Scheme), 3: textOf + use(Authority), 5: textOf + use(Path), 6: textOf + use(UserAgent),
		8: textOf + use(ForwardedFor), 9: textOf + use(RequestID), 10: textOf + use(OriginalPath), 12: requestBody,
		13: memberOf + use(RequestHeaders),
	})
	responseSchema = newSchema(map[int]use{
		1: codeMessage, 3: responseBody, 4: memberOf + use(ResponseHeaders), 5: memberOf + use(ResponseTrailers), 6: textOf + use(CodeDetails),
	})
	connectionSchema = newSchema(map[int]use{1: bytesReceived, 2: bytesSent})
	tlsSchema        = newSchema(map[int]use{1: tlsVersion, 3: textOf + use(SNI)})
	codeSchema       = newSchema(map[int]use{1: responseCode}) // google.protobuf.UInt32Value
)
