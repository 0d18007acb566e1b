package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const completeEvent = "request_complete"

// wantedEvents gives the timing events, named as Envoy's tracer names them (tracing.verbose). The eighth timing is the end
// of the request.
func wantedEvents(r record, end uint64) map[string]int64 {
	names := map[string]string{
		"ds_rx_end": "last_downstream_rx_byte_received",
		"us_tx_beg": "first_upstream_tx_byte_sent", "us_tx_end": "last_upstream_tx_byte_sent",
		"us_rx_beg": "first_upstream_rx_byte_received", "us_rx_end": "last_upstream_rx_byte_received",
		"ds_tx_beg": "first_downstream_tx_byte_sent", "ds_tx_end": "last_downstream_tx_byte_sent",
	}
	all := map[string]int64{completeEvent: int64(end)}
	for key, offset := range r.Times {
		if offset != nil {
			all[names[key]] = r.startNano() + *offset
		}
	}
	return all
}

// inMicros is what remains of times that a tracer has written.
func inMicros(all map[string]int64) map[string]int64 {
	for name := range all {
		all[name] = all[name] / 1000
	}
	return all
}

func events(s *span) map[string]int64 {
	all := map[string]int64{}
	for _, e := range s.Events {
		all[e.Name] = int64(e.TimeUnixNano)
	}
	return all
}

// wantedAttributes gives the attributes of a SERVER span whose value follows from Envoy's record; "" is none.
func wantedAttributes(r record, form string) map[string]string {
	path, query, _ := strings.Cut(r.Path, "?")
	host, port, _ := strings.Cut(r.Authority, ":")
	peer, peerPort, _ := strings.Cut(r.Peer, ":")
	client, _, _ := strings.Cut(r.Client, ":")
	want := map[string]string{
		"http.request.method":                  method(r),
		"http.response.status_code":            number(r.Code),
		"http.request.body.size":               strconv.FormatInt(r.Received, 10),
		"http.response.body.size":              strconv.FormatInt(r.Sent, 10),
		"url.scheme":                           r.Scheme,
		"url.path":                             path[:min(len(path), maxValue)],
		"url.query":                            strings.ReplaceAll(query, "token=secret", "token=REDACTED"),
		"server.address":                       host,
		"server.port":                          port,
		"client.address":                       client,
		"network.peer.address":                 peer,
		"network.peer.port":                    peerPort,
		"network.protocol.version":             protocol(r),
		"user_agent.original":                  asLogged(r.UserAgent),
		"envoy.request_id":                     asLogged(r.RequestID),
		"envoy.response_flags":                 strings.Trim(r.Flags, "-"),
		"envoy.response_code_details":          r.Details,
		"envoy.upstream_cluster":               r.Cluster,
		"envoy.upstream_address":               r.Upstream,
		"envoy.route_name":                     r.Route,
		"envoy.attempts":                       number(r.Attempts),
		"envoy.connection_termination_details": r.Closed,
		"envoy.upstream_duration_ms":           "",
		"envoy.overhead_ms":                    "",
	}
	if r.Upstream == "" && form == formALS {
		want["envoy.upstream_cluster"] = "" // an entry names the cluster only together with a host
	}
	for _, key := range []string{"http.request.body.size", "http.response.body.size"} {
		if want[key] == "0" && form != formALS { // as if it was not logged
			want[key] = ""
		}
	}
	if from, to := r.Times["us_tx_beg"], r.Times["us_rx_end"]; from != nil && to != nil {
		want["envoy.upstream_duration_ms"] = fmt.Sprint(float64(*to-*from) / 1e6)
		if want["envoy.overhead_ms"] = fmt.Sprint(float64(r.Length-(*to-*from)) / 1e6); r.Length == 0 {
			delete(want, "envoy.overhead_ms")
		}
	}
	return want
}

// outboundAttributes changes them to those of a CLIENT span: what it was sent to is its peer.
func outboundAttributes(want map[string]string, r record) {
	host, port, _ := strings.Cut(r.Upstream, ":")
	want["network.peer.address"], want["network.peer.port"] = host, port
}

// wantedClientAttributes does the same for a CLIENT span.
func wantedClientAttributes(r record) map[string]string {
	path, query, _ := strings.Cut(r.Path, "?")
	if query != "" {
		path += "?" + strings.ReplaceAll(query, "token=secret", "token=REDACTED")
	}
	full := r.Scheme + "://" + r.Authority + path
	if r.Scheme == "" {
		full = ""
	}
	host, port, _ := strings.Cut(r.Upstream, ":")
	return map[string]string{
		"http.request.method":       method(r),
		"http.request.resend_count": number(max(r.Attempts-1, 0)), // the router's record has no count
		"url.full":                  full[:min(len(full), maxValue)],
		"server.address":            host,
		"server.port":               port,
		"network.peer.address":      host,
		"network.peer.port":         port,
		"envoy.upstream_cluster":    r.Cluster,
	}
}

// maxValue is spans.max_value.
const maxValue = 4096

func method(r record) string {
	if r.Method == "" || r.Method == "PROPFIND" { // the log has only the methods of a short list
		return "_OTHER"
	}
	return r.Method
}

func protocol(r record) string {
	switch r.Protocol {
	case "HTTP/2":
		return "2"
	}
	return strings.TrimPrefix(r.Protocol, "HTTP/")
}

// asLogged gives a text as the access log has it: `!` for each byte that is not valid. The JSON log has those as Latin-1.
func asLogged(text string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '!'
		}
		return r
	}, text)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
