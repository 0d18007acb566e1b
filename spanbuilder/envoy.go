package spanbuilder

import (
	"bytes"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// envoyAttributes writes Envoy's own facts.
func (r *request) envoyAttributes() {
	e := r.e
	if e.Flags != 0 {
		var room [96]byte
		r.text("envoy.response_flags", e.Flags.AppendNames(room[:0]))
	}
	r.text("envoy.response_code_details", e.CodeDetails)
	r.text("envoy.upstream_cluster", e.UpstreamCluster)
	if e.UpstreamRemote.Kind == wire.SocketAddress {
		var room [64]byte
		at := append(room[:0], e.UpstreamRemote.Host...)
		if bytes.IndexByte(e.UpstreamRemote.Host, ':') >= 0 {
			at = append(append(append(room[:0], '['), e.UpstreamRemote.Host...), ']')
		}
		r.text("envoy.upstream_address", strconv.AppendUint(append(at, ':'), uint64(e.UpstreamRemote.Port), 10))
	}
	r.text("envoy.route_name", e.RouteName)
	if e.Attempts > 0 {
		r.int("envoy.attempts", int64(e.Attempts))
	}
	r.text("envoy.request_id", e.RequestID)
	r.text("envoy.log_name", r.l.logName)
	r.text("envoy.connection_termination_details", e.TerminationDetails)
	r.text("envoy.upstream_transport_failure_reason", e.UpstreamFailure)
	r.text("envoy.downstream_transport_failure_reason", e.DownstreamFailure)
	r.text("envoy.requested_server_name", e.SNI)
	if e.TCP {
		r.int("envoy.bytes_received", int64(e.BytesReceived))
		r.int("envoy.bytes_sent", int64(e.BytesSent))
	}
	r.durations()
	r.customTags()
}

// durations writes the two figures that are asked for most: how long the upstream took, and how long Envoy did.
func (r *request) durations() {
	from, to := r.e.Timings[wire.FirstUpstreamTx], r.e.Timings[wire.LastUpstreamRx]
	if !from.Set || !to.Set || to.Duration() < from.Duration() {
		return
	}
	upstream := to.Duration() - from.Duration()
	r.double("envoy.upstream_duration_ms", float64(upstream)/1e6)
	if r.e.Duration.Set {
		r.double("envoy.overhead_ms", float64(max(r.e.Duration.Duration()-upstream, 0))/1e6)
	}
}

// customTags writes the tags of the access log that carry no ids. Of a key that is there twice the last value counts.
func (r *request) customTags() {
	for i, tag := range r.e.CustomTags {
		if len(tag.Key) == 0 || r.b.isIDTag(tag.Key) {
			continue
		}
		last := true
		for _, later := range r.e.CustomTags[i+1 : min(len(r.e.CustomTags), i+maxAttributes)] {
			last = last && !bytes.Equal(later.Key, tag.Key)
		}
		if last {
			r.tag("envoy.tag.", tag.Key, tag.Value)
		}
	}
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

// status writes error.type and the span's status: 5xx is an error of a SERVER, 4xx and 5xx of a CLIENT, and so is a
// request without an answer, except when it was the caller who went away.
func (r *request) status() {
	e, failure := r.e, ""
	code := uint32(0)
	if e.HasCode {
		code = e.Code
	}
	switch {
	case r.rpc.failed(r.kind):
		failure = r.rpc.statusName()
	case code >= 500 || code >= 400 && r.kind == kindClient:
		failure = strconv.Itoa(int(code))
	case code != 0:
		return
	case e.TCP && e.Flags == 0 || e.Flags&wire.DownstreamTermination != 0:
		return
	default:
		failure = r.noAnswer()
	}
	r.str("error.type", failure)
	const statusError = 2 // message Status { string message = 2; StatusCode code = 3; }
	r.dst = wire.AppendVarint(r.dst, spanStatus<<3|wire.Bytes)
	r.dst = wire.AppendUint(append(r.dst, 2), 3, statusError)
}

// noAnswer names why a request got no response: the response flag, else the first word of Envoy's details.
func (r *request) noAnswer() string {
	if name := r.e.Flags.First(); name != "" {
		return name
	}
	word := r.e.CodeDetails
	for i, c := range word {
		if (c < 'a' || c > 'z') && c != '_' && c != '.' {
			word = word[:i]
			break
		}
	}
	if len(word) == 0 || len(word) > 64 {
		return otherMethod
	}
	return string(word)
}
