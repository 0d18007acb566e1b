package alsreceiver

import (
	"strings"
	"testing"
	"time"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestRecords(t *testing.T) {
	at := time.Unix(1_800_000_000, 5)
	common := &alsdata.AccessLogCommon{StartTime: timestamppb.New(at), RouteName: "shop"}
	logs := records(&als.StreamAccessLogsMessage{LogEntries: &als.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &als.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: []*alsdata.HTTPAccessLogEntry{{CommonProperties: common}, {}}}}})
	if logs.LogRecordCount() != 2 {
		t.Fatalf("%d records", logs.LogRecordCount())
	}
	r := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	if kind, _ := r.Attributes().Get("log_type"); kind.Str() != "http" || !r.Timestamp().AsTime().Equal(at) || !strings.Contains(r.Body().Str(), `"shop"`) {
		t.Errorf("record %v at %v: %s", r.Attributes().AsRaw(), r.Timestamp(), r.Body().Str())
	}
}
