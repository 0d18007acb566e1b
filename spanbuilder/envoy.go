package spanbuilder

import (
	"bytes"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// maxLogName bounds the log's name, which is no part of the entry.
const maxLogName = 256

// envoyAttributes writes Envoy's own facts.
func (r *request) envoyAttributes() {
	e := r.e
	if e.Flags != 0 {
		var room [96]byte
		r.text(envoyResponseFlagsKey, e.Flags.AppendNames(room[:0]))
	}
	r.text(envoyResponseCodeDetailsKey, e.CodeDetails)
	r.text(envoyUpstreamClusterKey, e.UpstreamCluster)
	switch e.UpstreamRemote.Kind {
	case wire.PipeAddress, wire.InternalAddress:
		r.text(envoyUpstreamAddressKey, e.UpstreamRemote.Host)
	case wire.SocketAddress:
		var room [64]byte
		at := append(room[:0], e.UpstreamRemote.Host...)
		if bytes.IndexByte(e.UpstreamRemote.Host, ':') >= 0 {
			at = append(append(append(room[:0], '['), e.UpstreamRemote.Host...), ']')
		}
		r.text(envoyUpstreamAddressKey, strconv.AppendUint(append(at, ':'), uint64(e.UpstreamRemote.Port), 10))
	}
	r.text(envoyRouteNameKey, e.RouteName)
	if e.Attempts > 0 {
		r.int(envoyAttemptsKey, int64(e.Attempts))
	}
	r.text(envoyRequestIDKey, e.RequestID)
	r.text(envoyLogNameKey, r.l.logName[:min(len(r.l.logName), maxLogName)])
	r.text(envoyConnectionTerminationDetailsKey, e.TerminationDetails)
	r.text(envoyUpstreamTransportFailureReasonKey, e.UpstreamFailure)
	r.text(envoyDownstreamTransportFailureReasonKey, e.DownstreamFailure)
	r.text(envoyRequestedServerNameKey, e.SNI)
	if e.TCP {
		r.int(envoyBytesReceivedKey, int64(e.BytesReceived))
		r.int(envoyBytesSentKey, int64(e.BytesSent))
	}
	r.durations()
}

// durations writes the two figures that are asked for most: how long the upstream took, and how long Envoy did.
func (r *request) durations() {
	from, to := r.e.Timings[wire.FirstUpstreamTx], r.e.Timings[wire.LastUpstreamRx]
	if !from.Set || !to.Set || from.Duration() < 0 || to.Duration() < from.Duration() {
		return
	}
	upstream := to.Duration() - from.Duration()
	r.double(envoyUpstreamDurationMSKey, float64(upstream)/1e6)
	if r.e.Duration.Set {
		r.double(envoyOverheadMSKey, float64(max(r.e.Duration.Duration()-upstream, 0))/1e6)
	}
}

// customTags writes the tags of the access log that carry no ids. Of a key that is there twice the last value counts.
func (r *request) customTags() {
	tags := r.e.CustomTags[:min(len(r.e.CustomTags), maxAttributes)]
	r.dropped += len(r.e.CustomTags) - len(tags)
	keys := tags
	for i := range tags {
		if len(tags[i].Key) > r.limit || !wire.ASCII(tags[i].Key) {
			keys = r.finalKeys(tags)
			break
		}
	}
	for i := range tags {
		if len(tags[i].Key) > 0 && !r.b.isIDTag(tags[i].Key) && !isRepeated(keys[i].Key, keys[i+1:]) {
			r.tag(tags[i].Key, tags[i].Value)
		}
	}
}

// finalKeys gives the keys of tags as they will be written: keys that differ may be the same once they are repaired and cut.
func (r *request) finalKeys(tags wire.Fields) wire.Fields {
	keys := make(wire.Fields, len(tags))
	for i := range tags {
		keys[i].Key = wire.NewText(tags[i].Key, r.limit).Append(nil)
	}
	return keys
}

func isRepeated(key []byte, later wire.Fields) bool {
	for i := range later {
		if bytes.Equal(key, later[i].Key) {
			return true
		}
	}
	return false
}

func (b *Builder) isIDTag(key []byte) bool {
	for _, names := range [...][]string{b.opts.TraceTags, b.opts.SpanTags} {
		for _, name := range names {
			if string(key) == name {
				return true
			}
		}
	}
	return false
}

// downstreamReset is the flag of a caller who has reset its HTTP/2 or HTTP/3 stream (Envoy 1.30 and later).
const downstreamReset wire.ResponseFlags = 1 << 27

// callerLeft has the flags of a caller who went away: not an error of anybody here.
const callerLeft = wire.DownstreamTermination | downstreamReset

// status writes error.type and the span's status: 5xx is an error of a SERVER, 4xx and 5xx of a CLIENT, and so is a
// request without an answer, except when it was the caller who went away.
func (r *request) status() {
	e, failure := r.e, ""
	switch {
	case r.rpc.failed(r.kind):
		failure = r.rpc.statusName()
	case r.brokenOff():
		failure = r.noAnswer()
	case r.answered:
		if e.Code < 400 || e.Code < 500 && r.kind != kindClient {
			return
		}
		failure = codeText(e.Code)
	case e.Flags&callerLeft != 0:
		return
	case e.Flags == 0 && (e.TCP || e.Code != 0 && e.Code < 400): // Envoy did not need the host, or what it did is not known
		return
	default:
		failure = r.noAnswer()
	}
	r.str(errorTypeKey, failure)
	const statusError = 2 // message Status { string message = 2; StatusCode code = 3; }
	r.dst = wire.AppendVarint(r.dst, spanStatus<<3|wire.Bytes)
	r.dst = wire.AppendUint(append(r.dst, 2), 3, statusError)
}

// codeTexts are the texts of all codes that there can be.
var codeTexts = func() (list [1000]string) {
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return list
}()

func codeText(code uint32) string {
	if int(code) < len(codeTexts) {
		return codeTexts[code]
	}
	return otherMethod
}

// cutOff has the flags of a response that ended before it was complete, for a reason other than the caller's leaving.
const cutOff = 1<<2 | 1<<3 | 1<<4 | 1<<6 | 1<<16 | 1<<19 | 1<<22 | 1<<23 // UT LR UR UC SI UMSDR DT UPE

// brokenOff tells whether a response had begun and was not finished: an error by the conventions, whatever its code. The end
// of a tunnel or a websocket looks the same and is none; a gRPC call has a status when it is complete.
func (r *request) brokenOff() bool {
	const connect = 6
	return r.answered && r.e.Code < 400 && r.e.Code >= 200 && r.e.Method != connect && r.rpc.status < 0 && r.e.Flags&cutOff != 0
}

// noAnswer names why a request got no response, or not all of it: the response flag, else the first word of Envoy's details.
func (r *request) noAnswer() string {
	if name := r.e.Flags.First(); name != "" {
		return name
	}
	word := r.e.CodeDetails
	for i, c := range word {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			word = word[:i]
			break
		}
	}
	if len(word) == 0 || len(word) > 64 {
		return otherMethod
	}
	return string(word)
}
