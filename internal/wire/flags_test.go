package wire

import (
	"testing"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The names are those of Envoy's documentation of %RESPONSE_FLAGS%.
var documented = map[protoreflect.Name]string{
	"failed_local_healthcheck":             "LH",
	"no_healthy_upstream":                  "UH",
	"upstream_request_timeout":             "UT",
	"local_reset":                          "LR",
	"upstream_remote_reset":                "UR",
	"upstream_connection_failure":          "UF",
	"upstream_connection_termination":      "UC",
	"upstream_overflow":                    "UO",
	"no_route_found":                       "NR",
	"delay_injected":                       "DI",
	"fault_injected":                       "FI",
	"rate_limited":                         "RL",
	"unauthorized_details":                 "UAEX",
	"rate_limit_service_error":             "RLSE",
	"downstream_connection_termination":    "DC",
	"upstream_retry_limit_exceeded":        "URX",
	"stream_idle_timeout":                  "SI",
	"invalid_envoy_request_headers":        "IH",
	"downstream_protocol_error":            "DPE",
	"upstream_max_stream_duration_reached": "UMSDR",
	"response_from_cache_filter":           "RFCF",
	"no_filter_config_found":               "NFCF",
	"duration_timeout":                     "DT",
	"upstream_protocol_error":              "UPE",
	"no_cluster_found":                     "NC",
	"overload_manager":                     "OM",
	"dns_resolution_failure":               "DF",
	"downstream_remote_reset":              "DR",
}

func TestResponseFlags(t *testing.T) {
	fields := new(alsv3.ResponseFlags).ProtoReflect().Descriptor().Fields()
	if fields.Len() != len(documented) || len(documented) != 28 {
		t.Fatalf("%d flags in the schema, %d documented", fields.Len(), len(documented))
	}
	all, names := new(alsv3.ResponseFlags), ""
	for i := range fields.Len() {
		fd := fields.Get(i)
		one := new(alsv3.ResponseFlags)
		for _, m := range []*alsv3.ResponseFlags{one, all} {
			if fd.Message() == nil {
				m.ProtoReflect().Set(fd, protoreflect.ValueOfBool(true))
			} else {
				m.UnauthorizedDetails = &alsv3.ResponseFlags_Unauthorized{Reason: alsv3.ResponseFlags_Unauthorized_EXTERNAL_SERVICE}
			}
		}
		f := flags(t, one)
		if got := string(f.AppendNames([]byte("x="))); got != "x="+documented[fd.Name()] || f.First() != documented[fd.Name()] {
			t.Errorf("%s is %q, first %q", fd.Name(), got, f.First())
		}
		if names += documented[fd.Name()]; i < fields.Len()-1 {
			names += ","
		}
		if (f == DownstreamTermination) != (fd.Name() == "downstream_connection_termination") {
			t.Errorf("%s is %b", fd.Name(), f)
		}
	}
	if f := flags(t, all); string(f.AppendNames(nil)) != names || f.First() != "LH" || f != 1<<28-1 {
		t.Errorf("all flags are %q", f.AppendNames(nil))
	}
	for _, m := range []*alsv3.ResponseFlags{{}, {UnauthorizedDetails: &alsv3.ResponseFlags_Unauthorized{}}} {
		if f := flags(t, m); f != 0 || len(f.AppendNames(nil)) != 0 || f.First() != "" {
			t.Errorf("%v is %q", m, f.AppendNames(nil))
		}
	}
}

func flags(t *testing.T, m *alsv3.ResponseFlags) ResponseFlags {
	t.Helper()
	var e Entry
	b := marshal(t, &alsv3.HTTPAccessLogEntry{CommonProperties: &alsv3.AccessLogCommon{ResponseFlags: m}})
	if !e.WalkHTTP(b) {
		t.Fatal("malformed")
	}
	checkEntry(t, &e, b, false)
	return e.Flags
}
