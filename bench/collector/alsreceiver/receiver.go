package alsreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"google.golang.org/grpc"
)

// logsReceiver is the gRPC server.
type logsReceiver struct {
	als.UnimplementedAccessLogServiceServer
	config   *Config
	settings receiver.Settings
	next     consumer.Logs
	report   *receiverhelper.ObsReport
	server   *grpc.Server
}

func newReceiver(c *Config, s receiver.Settings, next consumer.Logs) (*logsReceiver, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: s.ID, Transport: "grpc", ReceiverCreateSettings: s})
	if err != nil {
		return nil, fmt.Errorf("cannot make the receiver's metrics: %w", err)
	}
	return &logsReceiver{config: c, settings: s, next: next, report: report}, nil
}

// Start listens and serves.
func (r *logsReceiver) Start(ctx context.Context, host component.Host) error {
	var err error
	if r.server, err = r.config.ToServer(ctx, host.GetExtensions(), r.settings.TelemetrySettings); err != nil {
		return fmt.Errorf("cannot make the gRPC server: %w", err)
	}
	als.RegisterAccessLogServiceServer(r.server, r)
	l, err := r.config.NetAddr.Listen(ctx)
	if err != nil {
		return fmt.Errorf("cannot listen for access logs: %w", err)
	}
	go func() {
		if err := r.server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	}()
	return nil
}

// Shutdown ends all streams.
func (r *logsReceiver) Shutdown(context.Context) error {
	if r.server != nil {
		r.server.Stop()
	}
	return nil
}

// StreamAccessLogs hands each message on before it takes the next one.
func (r *logsReceiver) StreamAccessLogs(stream als.AccessLogService_StreamAccessLogsServer) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		ctx := r.report.StartLogsOp(context.Background())
		logs := records(m)
		n := logs.LogRecordCount()
		err = r.next.ConsumeLogs(ctx, logs)
		r.report.EndLogsOp(ctx, "protobuf", n, err)
		if err != nil {
			return err
		}
	}
}

// records gives one log record per entry.
func records(m *als.StreamAccessLogsMessage) plog.Logs {
	logs := plog.NewLogs()
	list := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, e := range m.GetHttpLogs().GetLogEntry() {
		add(list, "http", e.GetCommonProperties(), e.String())
	}
	for _, e := range m.GetTcpLogs().GetLogEntry() {
		add(list, "tcp", e.GetCommonProperties(), e.String())
	}
	return logs
}

func add(list plog.LogRecordSlice, kind string, common *alsdata.AccessLogCommon, text string) {
	record := list.AppendEmpty()
	record.SetTimestamp(pcommon.NewTimestampFromTime(common.GetStartTime().AsTime()))
	record.Attributes().PutStr("api_version", "v3")
	record.Attributes().PutStr("log_type", kind)
	record.Body().SetStr(text)
}
