package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/sampling"
)

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.b.String(), text)
}

// While the upstream is stuck and memory fills up, fewer and fewer traces are kept: those of the highest randomness, and what failed.
// When it is back, so are they.
func TestStress(t *testing.T) {
	backend := startBackend(t)
	backend.Always(fake.Reply{Code: codes.Unavailable})
	log := &syncBuffer{}
	a := startAgentLogging(t, backend, slog.New(slog.NewTextHandler(log, nil)), func(c *config.Config) {
		c.Export.Memory, c.Export.Batch.Bytes = 4*config.MiB, 128*config.KiB
		c.Sample.Stress.Above = 30
		c.Correlate.Wait, c.Correlate.SpanWait = 0, 0
		c.Spans.Upstream = "always"
	})
	p := a.pipeline
	stress := func() sampling.Threshold {
		_, _, s := p.settings.Load().sampler.Thresholds()
		return s
	}
	e := newEnvoy(t, a, time.Millisecond)
	sent := 0
	// send sends requests with the given randomness, in 256ths, and gives the trace of each.
	send := func(size int, code uint32, of ...int) (list []string) {
		t.Helper()
		for _, rnd := range of {
			q := ask(sent, uint64(rnd)<<48|1, code, code)
			q.end.Request.Path = "/" + strings.Repeat("x", size)
			if err := e.Log(0, q.end); err != nil {
				t.Fatal(err)
			}
			sent++
			list = append(list, fmt.Sprintf("%x", q.server.TraceId))
		}
		await(t, "the entries", func() bool { return p.Entries.Received.Load() == int64(sent) })
		return list
	}
	send(10, 200, 0, 128, 255)
	if stress() != sampling.Always {
		t.Fatal("there is no stress yet")
	}
	for p.core.Percent() <= 35 {
		send(3000, 200, 255)
	}
	await(t, "the threshold", func() bool { return stress().Probability() <= 0.5 })
	if !log.has("memory fills up") || log.has("there is room again: as many") {
		t.Error("nobody is told")
	}
	low, high, failed := send(10, 200, 0, 40, 80, 120), send(10, 200, 255), send(10, 503, 0, 40, 80, 120)
	if got := stress().Probability(); got < 1.0/256 {
		t.Fatalf("the machine is too slow: the probability is %v", got)
	}
	if n := p.Spans.Dropped[ledger.SpanFull].Load() + p.Entries.Dropped[ledger.EntryShedHealthy].Load(); n != 0 {
		t.Errorf("%d were lost to want of memory", n)
	}
	backend.Always(fake.Reply{})
	await(t, "room", func() bool { return stress() == sampling.Always })
	again := send(10, 200, 0)
	await(t, "the log", func() bool { return log.has("there is room again: as many") })
	e.Close(t.Context())
	a.Stop()
	checkLedgers(t, a)
	spans := map[string]int{}
	for _, s := range backend.Spans() {
		spans[fmt.Sprintf("%x", s.TraceId)]++
	}
	for what, c := range map[string]struct {
		traces []string
		want   int
	}{"with low randomness": {low, 0}, "with the highest": {high, 2}, "that failed": {failed, 2}, "when there is room again": {again, 2}} {
		for _, trace := range c.traces {
			if spans[trace] != c.want {
				t.Errorf("a request %s has %d spans, want %d", what, spans[trace], c.want)
			}
		}
	}
	if s := &p.Spans; s.Exported.Load()+s.Dropped[ledger.SpanSampledOut].Load() != s.Made.Load() || s.Dropped[ledger.SpanSampledOut].Load() < int64(2*len(low)) {
		t.Errorf("%d spans were made, %d exported, %d sampled out", s.Made.Load(), s.Exported.Load(), s.Dropped[ledger.SpanSampledOut].Load())
	}
}
