package accesslog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/tail"
	"github.com/alspan/alspan/internal/wire"
)

// entriesOf gives what each entry of lines says, and the number of malformed ones.
func entriesOf(t *testing.T, told map[string]string, lines ...string) (said []string, malformed, other int) {
	t.Helper()
	f, err := NewFields(told, "trace_id", "span_id")
	if err != nil {
		t.Fatal(err)
	}
	l := NewLines(f)
	var in []tail.Line
	for i, text := range lines {
		in = append(in, tail.Line{Bytes: []byte(text), Offset: int64(i)})
	}
	var e wire.Entry
	l.Messages(Identifier{LogName: []byte("log"), Node: wire.Node{ID: []byte("node")}}, 1, in, func(m *Message) {
		id, _ := m.Identifier()
		for {
			switch m.Next(&e) {
			case End:
				return
			case Malformed:
				malformed++
			case Good:
				said = append(said, say(&id, &e))
			}
		}
	})
	return said, malformed, l.Other
}

// say gives what an entry says, in a line.
func say(id *Identifier, e *wire.Entry) string {
	var b strings.Builder
	put := func(name string, v any) {
		if s := fmt.Sprint(v); s != "" && s != "0" {
			fmt.Fprintf(&b, "%s=%s ", name, s)
		}
	}
	start, _ := e.Start.Unix()
	put("start", start)
	if e.Coarse {
		put("coarse", true)
	}
	put("duration", e.Duration.Duration())
	put("method", e.Method)
	put("protocol", e.Protocol)
	put("code", e.Code)
	if e.HasCode && e.Code == 0 {
		put("nocode", true)
	}
	put("flags", string(e.Flags.AppendNames(nil)))
	put("type", e.Type)
	put("tls", e.TLSVersion)
	put("attempts", e.Attempts)
	put("received", e.RequestBody)
	put("sent", e.ResponseBody)
	for i, name := range []string{"cluster", "upstream_failure", "route", "termination", "", "downstream_failure", "sni", "scheme", "authority", "path",
		"agent", "xff", "id", "original", "details"} {
		if name != "" {
			put(name, string(e.Text(wire.TextField(i))))
		}
	}
	for name, a := range map[string]*wire.Address{"up": &e.UpstreamRemote} {
		put(name, string(e.Bytes(a.Host)))
		put(name+".port", a.Port)
	}
	for i, name := range []string{"tag", "request", "response", "trailer"} {
		m := e.Fields(wire.MapField(i))
		for n := range m.Len() {
			put(name+"."+string(m.Key(n)), string(m.Value(n))+";")
		}
	}
	if string(id.Node.ID) != "node" || string(id.LogName) != "log" {
		put("by", string(id.Node.ID)+"/"+string(id.LogName))
	}
	return strings.TrimSpace(b.String())
}

const base = `"start_time":"2026-11-22T08:00:00.123456Z","duration":12,"path":"/a"`

const baseSaid = "start=1795334400123456000 duration=12000000 path=/a"

// What each value becomes.
func TestValuesOfLines(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{``, ""},
		{`,"method":"GET"`, "method=1"},
		{`,"method":"PURGE"`, "request.:method=PURGE;"},
		{`,"protocol":"HTTP/2"`, "protocol=3"},
		{`,"protocol":"SPDY"`, ""},
		{`,"response_code":200`, "code=200"},
		{`,"response_code":"503"`, "code=503"},
		{`,"response_code":0`, "nocode=true"},
		{`,"response_code":"-"`, ""},
		{`,"response_code":70000`, ""},
		{`,"response_flags":"UF,URX"`, "flags=UF,URX"},
		{`,"response_flags":"-"`, ""},
		{`,"response_flags":"UpstreamConnectionFailure,NoSuchFlag"`, "flags=UF"},
		{`,"response_flags":"UAEX"`, "flags=UAEX"},
		{`,"upstream_host":"10.0.0.1:8080"`, "up=10.0.0.1 up.port=8080"},
		{`,"upstream_host":"[2001:db8::1]:8080"`, "up=2001:db8::1 up.port=8080"},
		{`,"upstream_host":"/run/app.sock"`, "up=/run/app.sock"},
		{`,"upstream_host":"envoy://inner/4"`, "up=inner"},
		{`,"upstream_host":"nonsense"`, ""},
		{`,"upstream_host":null`, ""},
		{`,"grpc_status":"NotFound","content-type":"application/grpc"`, "request.content-type=application/grpc; request.content-type=application/grpc; trailer.grpc-status=5;"},
		{`,"grpc_status_number":14`, "request.content-type=application/grpc; trailer.grpc-status=14;"},
		{`,"grpc_status":"PERMISSION_DENIED"`, "request.content-type=application/grpc; trailer.grpc-status=7;"},
		{`,"grpc_status":"Cancelled"`, "request.content-type=application/grpc; trailer.grpc-status=1;"},
		{`,"grpc_status":null`, ""},
		{`,"traceparent":"00-a","TRACESTATE":"","x_b3_traceid":"1","x-b3-spanid":"2","uber_trace_id":null`,
			"request.traceparent=00-a; request.tracestate=; request.x-b3-traceid=1; request.x-b3-spanid=2;"},
		{`,"trace_id":"4bf9","span_id":"00f0"`, "tag.trace_id=4bf9; tag.span_id=00f0;"},
		{`,":authority":"a.example","user-agent":"x","x-forwarded-for":"1.1.1.1","x-request-id":"r"`, "authority=a.example agent=x xff=1.1.1.1 id=r"},
		{`,"x-envoy-origin-path":"/b"`, ""}, // the first one counts
		{`,"path":"/c"`, ""},
		{`,"downstream_tls_version":"TLSv1.3","requested_server_name":"sni"`, "tls=4 sni=sni"},
		{`,"access_log_type":"DownstreamEnd"`, "type=6"},
		{`,"bytes_received":"5","bytes_sent":7,"upstream_request_attempt_count":2`, "attempts=2 received=5 sent=7"},
		{`,"bytes_received":-1`, ""},
		{`,"odd":{"method":"GET","list":[1,{"a":2}]},"x":true,"y":[1],"z":null`, ""},
		{`,"path_\u0041":"x","user_agent":"\u00e9\ud83d\ude00"`, "agent=é😀"},
		{`,"route_name":"r","upstream_cluster":"c","response_code_details":"d","connection_termination_details":"t","upstream_transport_failure_reason":"u","downstream_transport_failure_reason":"v"`,
			"cluster=c upstream_failure=u route=r termination=t downstream_failure=v details=d"},
	} {
		said, malformed, other := entriesOf(t, nil, "{"+base+c.line+"}")
		want := baseSaid
		if c.want != "" {
			want = c.want
		}
		if len(said) != 1 || malformed+other != 0 || sorted(said[0]) != sorted(union(baseSaid, want)) {
			t.Errorf("%s gives\n%q, %d malformed, %d other, want\n%q", c.line, said, malformed, other, union(baseSaid, want))
		}
	}
}

func union(a, b string) string {
	if a == b {
		return a
	}
	return a + " " + b
}

func sorted(s string) string {
	words := strings.Fields(s)
	for i := range words {
		for j := i; j > 0 && words[j] < words[j-1]; j-- {
			words[j], words[j-1] = words[j-1], words[j]
		}
	}
	return strings.Join(words, " ")
}

// The forms in which starts and durations are written.
func TestTimesOfLines(t *testing.T) {
	for _, c := range []struct{ start, duration, want string }{
		{`"2026-11-22T08:00:00.123Z"`, `1`, "start=1795334400123000000 coarse=true duration=1000000"},
		{`"2026-11-22T08:00:00.123456Z"`, `"1"`, "start=1795334400123456000 duration=1000000"},
		{`"2026-11-22T08:00:00.123456789Z"`, `0`, "start=1795334400123456789"},
		{`"2026-11-22T08:00:00.000000+0000"`, `1.5`, "start=1795334400000000000 duration=1500000"},
		{`"2026-11-22T10:00:00.5+02:00"`, `"250us"`, "start=1795334400500000000 coarse=true duration=250000"},
		{`"2026-11-22T08:00:00Z"`, `"1.5s"`, "start=1795334400000000000 coarse=true duration=1500000000"},
		{`1795334400`, `1`, "start=1795334400000000000 coarse=true duration=1000000"},
		{`"1795334400.123456"`, `1`, "start=1795334400123456000 duration=1000000"},
		{`1795334400123`, `1`, "start=1795334400123000000 coarse=true duration=1000000"},
		{`1795334400123456`, `1`, "start=1795334400123456000 duration=1000000"},
		{`1795334400123456789`, `1`, "start=1795334400123456789 duration=1000000"},
		{`"2026-11-22t08:00:00.123z"`, `1`, "start=1795334400123000000 coarse=true duration=1000000"},
		{`"2026-11-22T08:00:00.123456"`, `1`, "start=1795334400123456000 duration=1000000"},
		{`"2026-11-22 08:00:00.123456+00:00"`, `1`, "start=1795334400123456000 duration=1000000"},
		{`"2026-11-22 08:00:00,123"`, `1`, "start=1795334400123000000 coarse=true duration=1000000"},
		{`"2026-11-22"`, `1`, "duration=1000000"},
		{`"yesterday"`, `1`, "duration=1000000"},
		{`null`, `-5`, ""},
		{`"-"`, `"-"`, ""},
		{`"2026-11-22T08:00:00.123Z"`, `"NaN"`, "start=1795334400123000000 coarse=true"},
		{`"2026-11-22T08:00:00.123Z"`, `1e30`, "start=1795334400123000000 coarse=true"},
	} {
		said, malformed, other := entriesOf(t, nil, fmt.Sprintf(`{"start_time":%s,"duration":%s,"path":"/a","response_code":200}`, c.start, c.duration))
		if c.want == "" {
			if len(said)+malformed != 0 || other != 1 {
				t.Errorf("%s, %s gives %q", c.start, c.duration, said)
			}
			continue
		}
		if want := c.want + " code=200 path=/a"; len(said) != 1 || said[0] != want {
			t.Errorf("%s, %s gives %q (%d malformed, %d other), want %q", c.start, c.duration, said, malformed, other, want)
		}
	}
}

// What is no access log is left out; what begins like JSON and breaks off is malformed, and costs its neighbours nothing.
func TestOddLines(t *testing.T) {
	good := "{" + base + "}"
	for _, c := range []struct {
		line             string
		malformed, other int
	}{
		{"", 0, 1},
		{"[2026-11-22 08:00:00.000][1][info] starting", 0, 1},
		{"{}", 0, 1},
		{`{"level":"info","time":"2026-11-22T08:00:00Z","msg":"hello"}`, 0, 1},
		{`{"a":`, 1, 0},
		{good[:len(good)-1], 1, 0},
		{good + "}", 1, 0},
		{good + "{}", 1, 0},
		{`{"duration":1` + strings.Repeat(`,"a":{"b":1}`, 1000) + "}", 0, 0},
		{strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), 0, 1},
		{`{"a":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200) + "," + good[1:], 0, 0},
		{`{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "," + good[1:], 1, 0},
		{"{\"path\":\"\xff\xfe\",\"duration\":1}", 0, 0},
		{`"duration"`, 0, 1},
	} {
		said, malformed, other := entriesOf(t, nil, good, c.line, good)
		n := 3 - c.malformed - c.other
		if len(said) != n || malformed != c.malformed || other != c.other || said[0] != baseSaid || said[len(said)-1] != baseSaid {
			t.Errorf("%.80q: %d entries, %d malformed, %d other", c.line, len(said), malformed, other)
		}
	}
}

// The operator's names come before those that are known, and may be of members within objects.
func TestToldFields(t *testing.T) {
	told := map[string]string{"rid": "request_id", "begun": "start_time", "req.verb": "method", "time": "ignore", "tp": "request_header.TraceParent", "up": "response_header.X-Up",
		"k8s": "tag.pod", "who": "node_id", "what": "log_name", "path": "original_path"}
	said, malformed, other := entriesOf(t, told,
		`{"start_time":"2026-11-22T08:00:00.123456Z","duration":12,"path":"/a","rid":"r","req":{"verb":"GET","path":"/no"},"tp":"x","up":"u","k8s":"p","who":"n","what":"w"}`,
		`{"start_time":"2026-11-22T08:00:00.123456Z","duration":12,"request_path":"/b"}`,
		// Those of the operator count, before and behind the others.
		`{"request_id":"x","rid":"r","start_time":"2026-11-22T08:00:00.123Z","begun":"2026-11-22T08:00:00.123456Z","duration":12,"path":"/a","original_path":"/c"}`)
	want := []string{
		"start=1795334400123456000 duration=12000000 method=1 id=r original=/a tag.pod=p; request.traceparent=x; response.x-up=u; by=n/w",
		"start=1795334400123456000 duration=12000000 path=/b",
		"start=1795334400123456000 duration=12000000 id=r original=/a"}
	if fmt.Sprint(said) != fmt.Sprint(want) || malformed+other != 0 {
		t.Errorf("%q", said)
	}
	if _, err := NewFields(map[string]string{"a": "no such field"}, "", ""); err == nil {
		t.Error("a field that does not exist is taken")
	}
}

// A line is told from another one that says the same.
func TestSameLines(t *testing.T) {
	f, _ := NewFields(nil, "trace_id", "span_id")
	l, ids := NewLines(f), map[string]bool{}
	var e wire.Entry
	for file := range uint64(2) {
		l.Messages(Identifier{}, file, []tail.Line{{Bytes: []byte("{" + base + "}"), Offset: 5}, {Bytes: []byte("{" + base + "}"), Offset: 6}}, func(m *Message) {
			for m.Next(&e) == Good {
				ids[string(e.Text(wire.StreamID))] = true
			}
		})
	}
	if len(ids) != 4 {
		t.Errorf("of 4 lines %d are told apart", len(ids))
	}
}

// No line makes the reader panic or gives an entry that cannot be read.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"{" + base + "}", `{"duration":1,"upstream_host":":","response_flags":",","start_time":"1.","grpc_status":"_"}`,
		`{"duration":"1h","upstream_host":"[::1]","downstream_remote_address":"@a","a":{"b":{"c":[1,2]}}}`} {
		f.Add([]byte(text))
	}
	fields, err := NewFields(map[string]string{"a.b": "path"}, "trace_id", "span_id")
	if err != nil {
		f.Fatal(err)
	}
	l := NewLines(fields)
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		l.Messages(Identifier{}, 1, []tail.Line{{Bytes: text, Offset: 1}, {Bytes: []byte("{" + base + "}"), Offset: 2}}, func(m *Message) {
			var e wire.Entry
			for {
				switch m.Next(&e) {
				case End:
					return
				case Good:
					n++
				}
			}
		})
		if n == 0 {
			t.Errorf("%q has cost its neighbour", text)
		}
	})
}
