package agent

import (
	"context"
	"slices"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ring"
)

// withLogs turns log records on.
func withLogs(change func(*config.Config)) func(*config.Config) {
	return func(c *config.Config) {
		if c.Export.Logs = true; change != nil {
			change(c)
		}
	}
}

// leavingRecord is a log record that came out.
type leavingRecord struct {
	*logspb.LogRecord
	Resource *resourcepb.Resource
	Scope    string
	At       time.Time
}

// recordsOf is an exporter that notes log records in a rig.
type recordsOf struct{ *rig }

func (r recordsOf) Export(_ context.Context, b *ring.Batch) export.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range b.Chunks {
		for _, run := range k.Runs() {
			var resource logspb.ResourceLogs
			var scope logspb.ScopeLogs
			err := proto.Unmarshal(run.Resource.Head, &resource)
			if err == nil {
				err = proto.Unmarshal(slices.Concat(run.Resource.Scope, k.Bytes()[run.Start:run.End]), &scope)
			}
			if err != nil || len(scope.LogRecords) != run.Spans {
				r.t.Errorf("a run of %d log records has %d: %v", run.Spans, len(scope.LogRecords), err)
			}
			for _, record := range scope.LogRecords {
				r.records = append(r.records, &leavingRecord{record, resource.Resource, scope.Scope.GetName(), time.Now()})
			}
		}
	}
	return export.Result{Exported: b.Spans}
}

// checkLogs asserts that the ledger of log records holds, in a pipeline that is idle.
func checkLogs(t *testing.T, p *Pipeline) {
	t.Helper()
	if !p.logged.on() {
		if p.logged.Made.Load() != 0 {
			t.Errorf("%d log records are made though they are off", p.logged.Made.Load())
		}
		return
	}
	if n := p.logged.Balance(p.logged.core); n != 0 {
		t.Errorf("the ledger of log records is off by %d", n)
	}
}
