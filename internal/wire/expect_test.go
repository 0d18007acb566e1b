package wire

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	httpEntry = "envoy.data.accesslog.v3.HTTPAccessLogEntry"
	tcpEntry  = "envoy.data.accesslog.v3.TCPAccessLogEntry"
	nodeName  = "envoy.config.core.v3.Node"
)

// checkEntry decodes b both ways, as an entry for HTTP or TCP.
func checkEntry(t *testing.T, e *Entry, b []byte, tcp bool) {
	t.Helper()
	name, walk, expect := protoreflect.FullName(httpEntry), e.WalkHTTP, expectHTTP
	if tcp {
		name, walk, expect = tcpEntry, e.WalkTCP, expectTCP
	}
	ok := walk(b)
	agree(t, b, plainOf(e), ok, name, expect)
}

func checkNode(t *testing.T, b []byte) {
	t.Helper()
	n := Node{ID: []byte("another"), Major: 9}
	ok := n.Walk(b)
	agree(t, b, n, ok, nodeName, expectNode)
}

func expectHTTP(m message) plain {
	e := expectCommon(m.sub("common_properties"))
	e.Protocol = m.enum("protocol_version")

	q := m.sub("request")
	e.Method = q.enum("request_method")
	e.Scheme, e.Authority, e.Path = q.text("scheme"), q.text("authority"), q.text("path")
	e.OriginalPath, e.UserAgent, e.ForwardedFor = q.text("original_path"), q.text("user_agent"), q.text("forwarded_for")
	e.RequestID = q.text("request_id")
	e.RequestBody, e.RequestHeaders = q.uint("request_body_bytes"), q.fields("request_headers")

	s := m.sub("response")
	e.HasCode, e.Code = s.has("response_code"), uint32(s.sub("response_code").uint("value"))
	e.CodeDetails, e.ResponseBody = s.text("response_code_details"), s.uint("response_body_bytes")
	e.ResponseHeaders, e.ResponseTrailers = s.fields("response_headers"), s.fields("response_trailers")
	return e
}

func expectTCP(m message) plain {
	e := expectCommon(m.sub("common_properties"))
	e.TCP = true
	c := m.sub("connection_properties")
	e.BytesReceived, e.BytesSent = c.uint("received_bytes"), c.uint("sent_bytes")
	return e
}

func expectCommon(c message) plain {
	return plain{
		Type:         AccessLogType(c.enum("access_log_type")),
		Intermediate: c.get("intermediate_log_entry").Bool(),
		Start:        c.time("start_time"),
		Timings: [NumTimings]Time{
			LastDownstreamRx:  c.time("time_to_last_rx_byte"),
			FirstUpstreamTx:   c.time("time_to_first_upstream_tx_byte"),
			LastUpstreamTx:    c.time("time_to_last_upstream_tx_byte"),
			FirstUpstreamRx:   c.time("time_to_first_upstream_rx_byte"),
			LastUpstreamRx:    c.time("time_to_last_upstream_rx_byte"),
			FirstDownstreamTx: c.time("time_to_first_downstream_tx_byte"),
			LastDownstreamTx:  c.time("time_to_last_downstream_tx_byte"),
		},
		Duration:           c.time("duration"),
		DownstreamRemote:   expectAddress(c.sub("downstream_remote_address")),
		DownstreamLocal:    expectAddress(c.sub("downstream_local_address")),
		DownstreamDirect:   expectAddress(c.sub("downstream_direct_remote_address")),
		UpstreamRemote:     expectAddress(c.sub("upstream_remote_address")),
		UpstreamCluster:    c.text("upstream_cluster"),
		RouteName:          c.text("route_name"),
		UpstreamFailure:    c.text("upstream_transport_failure_reason"),
		DownstreamFailure:  c.text("downstream_transport_failure_reason"),
		TerminationDetails: c.text("connection_termination_details"),
		StreamID:           c.text("stream_id"),
		CustomTags:         c.fields("custom_tags"),
		Flags:              expectFlags(c.sub("response_flags")),
		Attempts:           uint32(c.uint("upstream_request_attempt_count")),
		TLSVersion:         c.sub("tls_properties").enum("tls_version"),
		SNI:                c.sub("tls_properties").text("tls_sni_hostname"),
	}
}

func expectAddress(m message) host {
	switch {
	case m.has("socket_address"):
		s := m.sub("socket_address")
		return host{SocketAddress, s.text("address"), uint32(s.uint("port_value"))}
	case m.has("pipe"):
		return host{PipeAddress, m.sub("pipe").text("path"), 0}
	case m.has("envoy_internal_address"):
		return host{InternalAddress, m.sub("envoy_internal_address").text("server_listener_name"), 0}
	}
	return host{}
}

func expectFlags(m message) (f ResponseFlags) {
	for fd, v := range m.Range {
		set := fd.Message() == nil && v.Bool() || fd.Name() == "unauthorized_details" && message{v.Message()}.enum("reason") != 0
		if set {
			f |= 1 << (fd.Number() - 1)
		}
	}
	return f
}

func expectNode(m message) Node {
	l, v := m.sub("locality"), m.sub("user_agent_build_version").sub("version")
	return Node{
		ID: m.text("id"), Cluster: m.text("cluster"),
		Region: l.text("region"), Zone: l.text("zone"), SubZone: l.text("sub_zone"),
		Major: uint32(v.uint("major_number")), Minor: uint32(v.uint("minor_number")), Patch: uint32(v.uint("patch")),
	}
}
