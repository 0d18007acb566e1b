package zipkin

import (
	"fmt"
	"strings"
	"testing"
)

// What spans begin with in the tests, in JSON and rendered.
const (
	ids     = `"traceId":"0af7651916cd43dd8448eb211c80319c","id":"b7ad6b7169203331"`
	idsOut  = `0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331`
	timeIn  = `,"timestamp":1600000000000001`
	base    = ids + timeIn
	baseOut = idsOut + ` INTERNAL "unknown" 1600000000000001000+0`
	local   = ` | service.name="unknown_service"`
	absent  = ` alspan.zipkin.timestamp_absent=true`
)

var spanTests = []struct{ name, fields, want string }{
	// Ids.
	{"64-bit trace id", `"traceId":"8448eb211c80319c","id":"b7ad6b7169203331"` + timeIn, `00000000000000008448eb211c80319c-b7ad6b7169203331 INTERNAL "unknown" 1600000000000001000+0` + local},
	{"short ids", `"traceId":"1","id":"2","parentId":"3"` + timeIn, `00000000000000000000000000000001-0000000000000002<0000000000000003 INTERNAL "unknown" 1600000000000001000+0` + local},
	{"17 digits", `"traceId":"18448eb211c80319c","id":"2"` + timeIn, `00000000000000018448eb211c80319c-0000000000000002 INTERNAL "unknown" 1600000000000001000+0` + local},
	{"zero trace id", `"traceId":"00000000000000000000000000000000","id":"1"`, "trace_id"},
	{"no trace id", `"id":"1"`, "trace_id"},
	{"null trace id", `"traceId":null,"id":"1"`, "trace_id"},
	{"trace id as number", `"traceId":123,"id":"1"`, "trace_id"},
	{"upper case", `"traceId":"0AF7651916CD43DD8448EB211C80319C","id":"1"`, "trace_id"},
	{"trace id of no hex", `"traceId":"zz","id":"1"`, "trace_id"},
	{"long trace id", `"traceId":"00af7651916cd43dd8448eb211c80319c","id":"1"`, "trace_id"},
	{"zero id", `"traceId":"1","id":"0000000000000000"`, "span_id"},
	{"no id", `"traceId":"1"`, "span_id"},
	{"upper case id", `"traceId":"1","id":"B7AD6B7169203331"`, "span_id"},
	{"long id", `"traceId":"1","id":"0b7ad6b7169203331"`, "span_id"},
	{"parent", base + `,"parentId":"00f067aa0ba902b7"`, idsOut + `<00f067aa0ba902b7 INTERNAL "unknown" 1600000000000001000+0` + local},
	{"zero parent", base + `,"parentId":"0000000000000000"`, baseOut + local},
	{"own parent", base + `,"parentId":"b7ad6b7169203331"`, baseOut + local},
	{"bad parent", base + `,"parentId":"B7"`, baseOut + local},
	{"null parent", base + `,"parentId":null`, baseOut + local},

	// Kind and name.
	{"client", base + `,"kind":"CLIENT"`, idsOut + ` CLIENT "unknown" 1600000000000001000+0` + local},
	{"server", base + `,"kind":"SERVER"`, idsOut + ` SERVER "unknown" 1600000000000001000+0` + local},
	{"producer", base + `,"kind":"PRODUCER"`, idsOut + ` PRODUCER "unknown" 1600000000000001000+0` + local},
	{"consumer", base + `,"kind":"CONSUMER"`, idsOut + ` CONSUMER "unknown" 1600000000000001000+0` + local},
	{"unknown kind", base + `,"kind":"LOCAL"`, baseOut + local},
	{"null kind", base + `,"kind":null`, baseOut + local},
	{"name", base + `,"name":"get /x"`, idsOut + ` INTERNAL "get /x" 1600000000000001000+0` + local},
	{"escaped name", base + `,"name":"a\"\u00e9\ud83d\ude00\n"`, idsOut + ` INTERNAL "a\"é😀\n" 1600000000000001000+0` + local},
	{"half a pair", base + `,"name":"a\ud83db"`, idsOut + ` INTERNAL "a�b" 1600000000000001000+0` + local},
	{"name is null", base + `,"name":null`, baseOut + local},
	{"name is a number", base + `,"name":12`, idsOut + ` INTERNAL "12" 1600000000000001000+0` + local},
	{"method for a name", base + `,"name":"","tags":{"method":"x","http.method":"GET"}`, idsOut + ` INTERNAL "GET" 1600000000000001000+0 http.method="GET" method="x"` + local},
	{"other method", base + `,"tags":{"method":"Search"}`, idsOut + ` INTERNAL "Search" 1600000000000001000+0 method="Search"` + local},
	{"not UTF-8", base + `,"name":"a` + "\xff\xfe" + `b","tags":{"k` + "\xff" + `":"` + "\xc3" + `"}`, idsOut + ` INTERNAL "a�b" 1600000000000001000+0 k�="�"` + local},

	// Times.
	{"duration", base + `,"duration":25`, idsOut + ` INTERNAL "unknown" 1600000000000001000+25000` + local},
	{"times as strings", ids + `,"timestamp":"1600000000000001","duration":" 25 "`, idsOut + ` INTERNAL "unknown" 1600000000000001000+25000` + local},
	{"times as floats", ids + `,"timestamp":1600000000000001.0,"duration":25.7`, idsOut + ` INTERNAL "unknown" 1600000000000001000+25000` + local},
	{"with an exponent", ids + `,"timestamp":1.6e15,"duration":"2.5E1"`, idsOut + ` INTERNAL "unknown" 1600000000000000000+25000` + local},
	{"negative duration", base + `,"duration":-1`, baseOut + local},
	{"absurd duration", base + `,"duration":9223372036854775807`, baseOut + local},
	{"end overflows", base + `,"duration":9000000000000000`, baseOut + local},
	{"absurd duration, as float", base + `,"duration":1e300`, baseOut + local},
	{"duration is no number", base + `,"duration":"0x10"`, baseOut + local},
	{"no timestamp", ids + `,"duration":1000`, idsOut + ` INTERNAL "unknown" 1699999999999000000+1000000` + absent + local},
	{"zero timestamp", ids + `,"timestamp":0`, idsOut + ` INTERNAL "unknown" 1700000000000000000+0` + absent + local},
	{"negative timestamp", ids + `,"timestamp":-5,"duration":1000`, idsOut + ` INTERNAL "unknown" 1699999999999000000+1000000` + absent + local},
	{"timestamp overflows", ids + `,"timestamp":9223372036854776`, idsOut + ` INTERNAL "unknown" 1700000000000000000+0` + absent + local},
	{"largest timestamp", ids + `,"timestamp":9223372036854775`, idsOut + ` INTERNAL "unknown" 9223372036854775000+0` + local},
	{"timestamp is huge", ids + `,"timestamp":99999999999999999999999999`, idsOut + ` INTERNAL "unknown" 1700000000000000000+0` + absent + local},
	{"timestamp is true", ids + `,"timestamp":true`, idsOut + ` INTERNAL "unknown" 1700000000000000000+0` + absent + local},
	{"timestamp is an object", ids + `,"timestamp":{}`, idsOut + ` INTERNAL "unknown" 1700000000000000000+0` + absent + local},
	{"duration before 1970", ids + `,"duration":1700000000000001`, idsOut + ` INTERNAL "unknown" 1700000000000000000+1700000000000001000` + absent + local},
	{"earliest annotation", ids + `,"duration":5,"annotations":[{"timestamp":30,"value":"b"},{"timestamp":20,"value":"a"},{"value":"c"}]`,
		idsOut + ` INTERNAL "unknown" 20000+5000` + absent + ` @30000:"b" @20000:"a" @20000:"c"` + local},

	// Annotations.
	{"verbatim", base + `,"annotations":[{"timestamp":1600000000000002,"value":"a|b|c"}]`, baseOut + ` @1600000000000002000:"a|b|c"` + local},
	{"times of annotations", base + `,"annotations":[{"timestamp":"7","value":"a"},{"timestamp":7.9,"value":"b"},{"timestamp":-7,"value":"c"},{"value":"d"}]`,
		baseOut + ` @7000:"a" @7000:"b" @1600000000000001000:"c" @1600000000000001000:"d"` + local},
	{"odd annotations", base + `,"annotations":[1,null,"x",{},{"value":2,"endpoint":null}]`, baseOut + ` @1600000000000001000:"2"` + local},
	{"annotations is an object", base + `,"annotations":{"value":"x"}`, baseOut + local},

	// Endpoints.
	{"local", base + `,"localEndpoint":{"serviceName":"cart","ipv4":"10.0.0.7","port":8080}`, baseOut + ` network.local.address="10.0.0.7" network.local.port=8080 | service.name="cart"`},
	{"local IPv6", base + `,"localEndpoint":{"serviceName":"","ipv6":"2001:DB8:0::1","port":"80"}`, baseOut + ` network.local.address="2001:db8::1" network.local.port=80` + local},
	{"mapped IPv4", base + `,"localEndpoint":{"ipv6":"::ffff:10.0.0.7","port":80.0}`, baseOut + ` network.local.address="10.0.0.7" network.local.port=80` + local},
	{"odd endpoint", base + `,"localEndpoint":{"serviceName":null,"ipv4":"localhost","port":70000}`, baseOut + local},
	{"negative port", base + `,"localEndpoint":{"ipv4":5,"port":-1}`, baseOut + local},
	{"endpoint is null", base + `,"localEndpoint":null,"remoteEndpoint":"x"`, baseOut + local},
	{"endpoint twice", base + `,"localEndpoint":{"serviceName":"a","port":1},"localEndpoint":{"ipv4":"10.0.0.7"}`, baseOut + ` network.local.address="10.0.0.7"` + local},
	{"remote", base + `,"remoteEndpoint":{"serviceName":"db","ipv4":"10.0.0.8","ipv6":"::1","port":5432}`,
		baseOut + ` network.peer.address="10.0.0.8" network.peer.port=5432 peer.service="db" service.peer.name="db"` + local},
	{"tags win", base + `,"remoteEndpoint":{"serviceName":"db","ipv4":"10.0.0.8","port":5432},"localEndpoint":{"ipv4":"10.0.0.7","port":1},
		"tags":{"peer.service":"p","service.peer.name":"n","network.peer.address":"a","network.peer.port":"1","network.local.address":"l","network.local.port":"x"}`,
		baseOut + ` network.local.address="l" network.local.port="x" network.peer.address="a" network.peer.port=1 peer.service="p" service.peer.name="n"` + local},

	// Tags.
	{"odd values", base + `,"tags":{"a":1,"b":1.50,"c":true,"d":null,"e":{"x": [1]},"f":[1, 2],"g":"","":"x"}`,
		baseOut + ` a="1" b="1.50" c="true" d="" e="{\"x\": [1]}" f="[1, 2]" g=""` + local},
	{"last wins", base + `,"tags":{"a":"1","b":"2","a":"3"}`, baseOut + ` a="3" b="2"` + local},
	{"tags is a list", base + `,"tags":["a"]`, baseOut + local},
	{"numbers", base + `,"tags":{"http.status_code":"200","http.request.size":10,"http.response.size":"-1","request_size":"0","response_size":"007","server.port":"443","net.peer.port":"x","http.response.status_code":"404","rpc.grpc.status_code":"14","other":"5"}`,
		baseOut + ` http.request.size=10 http.response.size=-1 http.response.status_code=404 http.status_code=200 net.peer.port="x" other="5" request_size=0 response_size="007" rpc.grpc.status_code=14 server.port=443` + local},
	{"no integers", base + `,"tags":{"a.port":"-0","b.port":"+1","c.port":"1.0","d.port":"9223372036854775807","e.port":"9223372036854775808","f.port":"-","g.port":" 1"}`,
		baseOut + ` a.port="-0" b.port="+1" c.port="1.0" d.port=9223372036854775807 e.port="9223372036854775808" f.port="-" g.port=" 1"` + local},
	{"resource", base + `,"tags":{"telemetry.sdk.name":"brave","service.version":"1","service.instance.id":"i","service.namespace":"n","deployment.environment":"d","k8s.pod.name":"p","host.name":"h","container.id":"c","cloud.region":"r","process.pid":"7","os.type":"linux","service.other":"o"},"localEndpoint":{"serviceName":"cart"}`,
		baseOut + ` service.other="o" | cloud.region="r" container.id="c" deployment.environment="d" host.name="h" k8s.pod.name="p" os.type="linux" process.pid=7 service.instance.id="i" service.name="cart" service.namespace="n" service.version="1" telemetry.sdk.name="brave"`},
	{"service as tag", base + `,"tags":{"service.name":"t"}`, baseOut + ` | service.name="t"`},
	{"two services", base + `,"tags":{"service.name":"t"},"localEndpoint":{"serviceName":"cart"}`, baseOut + ` service.name="t" | service.name="cart"`},
	{"scope", base + `,"tags":{"otel.scope.name":"lib","otel.scope.version":"2","otel.library.name":"lib"}`, baseOut + local + ` scope lib 2`},
	{"library", base + `,"tags":{"otel.library.name":"lib","otel.library.version":"1"}`, baseOut + local + ` scope lib 1`},
	{"tracestate", base + `,"tags":{"w3c.tracestate":"a=1, b=2"}`, baseOut + ` state a=1,b=2` + local},
	{"bad tracestate", base + `,"tags":{"w3c.tracestate":"A"}`, baseOut + ` w3c.tracestate="A"` + local},

	// Status.
	{"error", base + `,"tags":{"error":"true"}`, baseOut + ` ERROR:""` + local},
	{"empty error", base + `,"tags":{"error":""}`, baseOut + ` ERROR:""` + local},
	{"error text", base + `,"tags":{"error":"timed out"}`, baseOut + ` ERROR:"timed out"` + local},
	{"no error", base + `,"tags":{"error":"false"}`, baseOut + local},
	{"null error", base + `,"tags":{"error":null}`, baseOut + local},
	{"error as bool", base + `,"tags":{"error":true}`, baseOut + ` ERROR:""` + local},
	{"no error, as bool", base + `,"tags":{"error":false}`, baseOut + local},
	{"OK", base + `,"tags":{"otel.status_code":"OK"}`, baseOut + ` OK:""` + local},
	{"ERROR", base + `,"tags":{"otel.status_code":"ERROR","otel.status_description":"d"}`, baseOut + ` ERROR:"d"` + local},
	{"ERROR with its text in error", base + `,"tags":{"otel.status_code":"STATUS_CODE_ERROR","error":"d"}`, baseOut + ` ERROR:"d"` + local},
	{"two texts", base + `,"tags":{"otel.status_description":"d","error":"e"}`, baseOut + ` error="e" ERROR:"d"` + local},
	{"UNSET", base + `,"tags":{"otel.status_code":"UNSET"}`, baseOut + local},
	{"STATUS_CODE_OK", base + `,"tags":{"otel.status_code":"STATUS_CODE_OK"}`, baseOut + ` OK:""` + local},
	{"OK and an error", base + `,"tags":{"otel.status_code":"OK","error":"e"}`, baseOut + ` error="e" OK:""` + local},
	{"unknown code", base + `,"tags":{"otel.status_code":"FINE"}`, baseOut + ` otel.status_code="FINE"` + local},

	// Flags.
	{"debug", base + `,"debug":true`, baseOut + ` zipkin.debug=true` + local + " Debug"},
	{"shared", base + `,"kind":"SERVER","shared":"true"`, idsOut + ` SERVER "unknown" 1600000000000001000+0 zipkin.shared=true` + local + " Shared"},
	{"a client has its own id", base + `,"kind":"CLIENT","shared":true`, idsOut + ` CLIENT "unknown" 1600000000000001000+0` + local},
	{"not shared", base + `,"shared":false,"debug":null`, baseOut + local},

	// Envoy's tags stay as they are.
	{"Envoy", base + `,"name":"x","tags":{"http.status_code":"503","component":"proxy","error":"true","response_size":"1","k8s.pod.name":"p","otel.status_code":"OK","service.name":"s"}`,
		idsOut + ` INTERNAL "x" 1600000000000001000+0 component="proxy" error="true" http.status_code="503" k8s.pod.name="p" otel.status_code="OK" response_size="1" service.name="s" ERROR:""` + local},

	{"unknown fields", base + `,"x":{"y":[1,{"z":null}]},"annotation":"a"`, baseOut + local},
}

func TestSpan(t *testing.T) {
	d := new(Decoder)
	for _, c := range spanTests {
		t.Run(c.name, func(t *testing.T) {
			got, err := d.JSON([]byte("[{"+c.fields+"}]"), received)
			if err != nil || got.Truncated {
				t.Fatal(got, err)
			}
			check(t, got)
			if text := outcome(t, got); text != c.want {
				t.Errorf("%s\n is %s\nnot %s", c.fields, text, c.want)
			}
		})
	}
}

// outcome renders a body of one span: its line with its marks, or why it was left out.
func outcome(t *testing.T, d *Decoded) string {
	if d.Spans == 1 {
		return strings.Join(render(t, d), "\n") + [...]string{"", " Shared", " Debug", " Shared Debug"}[d.Marks[0]>>1]
	}
	for r, n := range d.Invalid {
		if n == 1 {
			return Reason(r).String()
		}
	}
	return fmt.Sprint(d.Invalid)
}
