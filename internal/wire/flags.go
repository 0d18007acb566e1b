package wire

import "slices"

// ResponseFlags is the set of Envoy's response flags of one entry: bit n-1 is field n of the ResponseFlags message.
type ResponseFlags uint32

// DownstreamTermination is set when the caller went away.
const DownstreamTermination ResponseFlags = 1 << 14

// The names are those of Envoy's documentation of %RESPONSE_FLAGS%, by field number.
var flagNames = [...]string{"LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX",
	"SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DR"}

// The same in %RESPONSE_FLAGS_LONG%.
var longFlagNames = [...]string{"FailedLocalHealthCheck", "NoHealthyUpstream", "UpstreamRequestTimeout", "LocalReset", "UpstreamRemoteReset",
	"UpstreamConnectionFailure", "UpstreamConnectionTermination", "UpstreamOverflow", "NoRouteFound", "DelayInjected", "FaultInjected",
	"RateLimited", "UnauthorizedExternalService", "RateLimitServiceError", "DownstreamConnectionTermination", "UpstreamRetryLimitExceeded",
	"StreamIdleTimeout", "InvalidEnvoyRequestHeaders", "DownstreamProtocolError", "UpstreamMaxStreamDurationReached", "ResponseFromCacheFilter",
	"NoFilterConfigFound", "DurationTimeout", "UpstreamProtocolError", "NoClusterFound", "OverloadManagerTerminated", "DnsResolutionFailed",
	"DownstreamRemoteReset"}

// FlagNumber gives the number of the field of ResponseFlags for a flag by its short or long name, 0 for a name that is not known.
func FlagNumber(name string) uint32 {
	i := slices.Index(flagNames[:], name)
	if i < 0 {
		i = slices.Index(longFlagNames[:], name)
	}
	return uint32(i + 1)
}

// FlagUnauthorized is the field unauthorized_details, which is a message; all others are booleans.
const FlagUnauthorized = 13
const unauthorized = FlagUnauthorized

func (f *ResponseFlags) walk(b []byte, i, end int) bool {
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		switch n := key >> 3; {
		case key == unauthorized<<3|Bytes:
			// message Unauthorized { Reason reason = 1; }: the pieces of a repeated one merge.
			for i := int(v); i < next; {
				key, reason, after := field(b, i, next)
				if i = after; after < 0 {
					return false
				}
				if key == 1<<3|Varint {
					f.put(unauthorized, int32(reason) != 0)
				}
			}
		case key&7 == Varint && n <= uint32(len(flagNames)) && n != unauthorized:
			f.put(n, v != 0)
		}
	}
	return true
}

func (f *ResponseFlags) put(field uint32, set bool) {
	if *f &^= 1 << (field - 1); set {
		*f |= 1 << (field - 1)
	}
}

// AppendNames appends the names of the flags, joined by commas, as Envoy's %RESPONSE_FLAGS% does.
func (f ResponseFlags) AppendNames(dst []byte) []byte {
	first := true
	for i, name := range flagNames {
		if f&(1<<i) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, name...), false
	}
	return dst
}

// First gives the name of the first flag, "" when there is none.
func (f ResponseFlags) First() string {
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			return name
		}
	}
	return ""
}
