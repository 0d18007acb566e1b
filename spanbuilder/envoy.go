package spanbuilder

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// maxLogName bounds the log's name, which is no part of the entry.
const maxLogName = 256

func (r *request) logName() {
	if r.l.nameBlock.count > 0 {
		r.block(&r.l.nameBlock)
		return
	}
	r.bytes(envoyLogNameKey, r.l.logName[:min(len(r.l.logName), maxLogName)])
}

// envoyAttributes writes Envoy's own facts.
func (r *request) envoyAttributes() {
	e := r.e
	if e.Flags != 0 {
		var room [96]byte
		r.bytes(envoyResponseFlagsKey, e.Flags.AppendNames(room[:0]))
	}
	r.text(envoyResponseCodeDetailsKey, e.At(wire.CodeDetails))
	r.text(envoyUpstreamClusterKey, e.At(wire.UpstreamCluster))
	r.upstreamAddress()
	r.text(envoyRouteNameKey, e.At(wire.RouteName))
	if e.Attempts > 0 {
		r.int(envoyAttemptsKey, int64(e.Attempts))
	}
	r.text(envoyRequestIDKey, e.At(wire.RequestID))
	r.logName()
	r.text(envoyConnectionTerminationDetailsKey, e.At(wire.TerminationDetails))
	r.text(envoyUpstreamTransportFailureReasonKey, e.At(wire.UpstreamFailure))
	r.text(envoyDownstreamTransportFailureReasonKey, e.At(wire.DownstreamFailure))
	r.text(envoyRequestedServerNameKey, e.At(wire.SNI))
	if e.TCP {
		r.int(envoyBytesReceivedKey, int64(e.BytesReceived))
		r.int(envoyBytesSentKey, int64(e.BytesSent))
	}
	r.durations()
}

// upstreamAddress writes the host that Envoy chose, as Envoy prints it.
func (r *request) upstreamAddress() {
	a := &r.e.UpstreamRemote
	if a.Kind != wire.SocketAddress {
		r.text(envoyUpstreamAddressKey, a.Host)
		return
	}
	host := r.e.Bytes(a.Host)
	bare := bytes.IndexByte(host, ':') >= 0 // an IPv6 address
	if !bare && r.hostAndPort(envoyUpstreamAddressKey, a) {
		return
	}
	room := r.scratch()
	if bare {
		room = append(append(append(room, '['), host...), ']')
	} else {
		room = append(room, host...)
	}
	r.bytes(envoyUpstreamAddressKey, strconv.AppendUint(append(room, ':'), uint64(a.Port), 10))
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
	tags := r.e.Fields(wire.CustomTags)
	n := min(tags.Len(), maxAttributes)
	r.dropped += tags.Len() - n
	before := r.encoder
	for i := range n {
		key, value := tags.At(i)
		switch {
		case key.Len() == 0 || isRepeated(tags, i, n) || r.b.idTags.has(tags.Key(i)):
		case r.quickTag(key, value):
		case key.Len() > r.limit || !wire.ASCII(tags.Key(i)):
			r.encoder = before
			r.oddTags(tags, n)
			return
		default:
			r.tag(tags.Key(i), tags.Value(i))
		}
	}
}

func isRepeated(tags wire.Fields, i, n int) bool {
	key, _ := tags.At(i)
	for j := i + 1; j < n; j++ {
		if later, _ := tags.At(j); later.Len() == key.Len() && bytes.Equal(tags.Key(i), tags.Key(j)) {
			return true
		}
	}
	return false
}

// oddTags writes tags of which not all keys are written as they are: some that differ may be the same once they are
// repaired and cut.
func (r *request) oddTags(tags wire.Fields, n int) {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = string(wire.NewText(tags.Key(i), r.limit).Append(nil))
	}
	for i := range keys {
		if len(tags.Key(i)) > 0 && !r.b.idTags.has(tags.Key(i)) && !slices.Contains(keys[i+1:], keys[i]) {
			r.tag(tags.Key(i), tags.Value(i))
		}
	}
}

// downstreamReset is the flag of a caller who has reset its HTTP/2 or HTTP/3 stream (Envoy 1.30 and later).
const downstreamReset wire.ResponseFlags = 1 << 27

// requestTimeout is the flag UT: the whole request took too long.
const requestTimeout wire.ResponseFlags = 1 << 2

// callerLeft has the flags of a caller who went away: not an error of anybody here.
const callerLeft = wire.DownstreamTermination | downstreamReset

// status writes error.type and the span's status.
func (r *request) status() {
	failure := r.failure()
	if failure == "" {
		return
	}
	r.str(errorTypeKey, failure)
	if r.came != nil && r.came.StatusCode != 0 {
		return // what the span says already is more
	}
	const statusError = 2 // message Status { string message = 2; StatusCode code = 3; }
	r.dst = wire.AppendVarint(r.dst, spanStatus<<3|wire.Bytes)
	r.dst = wire.AppendUint(append(r.dst, 2), 3, statusError)
}

// failure gives what went wrong, "" if nothing did: 5xx is an error of a SERVER, 4xx and 5xx of a CLIENT, and so is a request without an
// answer, except when it was the caller who went away.
func (r *request) failure() string {
	e := r.e
	switch {
	case r.rpc.failed(r.kind):
		return r.rpc.statusName()
	case r.brokenOff():
		return r.noAnswer()
	case r.answered:
		if e.Code < 400 || e.Code < 500 && r.kind != kindClient {
			return ""
		}
		return codeText(e.Code)
	case e.Flags&callerLeft != 0:
		return ""
	case e.Flags == 0 && r.l.mute(e): // who knows
		return ""
	case e.Flags == 0 && (e.TCP || e.Code != 0 && e.Code < 400): // Envoy did not need the host, or what it did is not known
		return ""
	case e.Flags == 0 && e.Code == 0 && e.Type == wire.UpstreamEnd && e.At(wire.CodeDetails).Len() == 0:
		// Envoy gave the attempt up, because it took too long or because the caller left: the record of the request says which.
		if !r.c.TimedOut {
			return ""
		}
		return requestTimeout.First()
	}
	return r.noAnswer()
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
	word := r.e.Text(wire.CodeDetails)
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
