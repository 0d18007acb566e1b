// Package trial takes a system and a description of traffic and gives what the system cost: one process each for the load,
// the system and the sink, a warm-up, a measured phase, and the CPU clock of the system's process around it.
package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/bench/process"
	"github.com/alspan/alspan/bench/sink"
	"github.com/alspan/alspan/bench/systems"
)

// Traffic is what a scenario sends.
type Traffic struct {
	Name     string // of profiles
	Protocol load.Protocol
	Streams  int
	Rate     float64 // 0: saturated
	Entries  int     // a message
	Headers  load.Headers
	Foreign  bool        // spans of something else than Envoy
	Probes   int         // every such span is a probe, which is to be dropped; 0: none
	Halves   load.Halves // of the protocol Both
	// Overrun lets a saturating load run ahead of what comes out, so that an agent that does not make it wait drops.
	Overrun        bool
	Warm, Duration time.Duration
}

// Result is one measurement.
type Result struct {
	System    string       `json:"system"`
	Sent      uint64       `json:"sent"`
	Delivered uint64       `json:"delivered"`
	Filtered  uint64       `json:"filtered"` // sent beside, and dropped
	Lost      uint64       `json:"lost"`
	Doubled   uint64       `json:"doubled"`
	Named     []string     `json:"named,omitempty"` // the first lost and doubled ones
	Rate      float64      `json:"per_second"`
	CPU       float64      `json:"cpu_us"` // of the system, for each delivered item; of Both, for each entry and each span; where some are filtered, for those, too
	Cores     float64      `json:"cores"`  // that the system used
	LoadCPU   float64      `json:"load_cpu_us"`
	SinkCPU   float64      `json:"sink_cpu_us"`
	Peak      float64      `json:"peak_mib"`
	Late      float64      `json:"load_late_ms"`
	Latency   sink.Latency `json:"latency"`
	Join      *Join        `json:"join,omitempty"` // of the protocol Both
}

const (
	warmRun     = 1
	measuredRun = 2
	lookEvery   = 10 * time.Millisecond
	quiet       = 3 * time.Second // without progress: what has not come is lost
)

// bench is one trial's processes.
type bench struct {
	system  *systems.System
	running *systems.Running
	sink    *process.Process
	to      systems.Sink
	load    *process.Process
	warm    counts // before the measured phase
}

// counts is what came out so far, of all runs but for the spans.
type counts struct{ sink.Progress }

func (b *bench) stop() {
	if b.load != nil {
		b.load.Stop()
	}
	if b.running != nil {
		b.running.Stop()
	}
	if b.sink != nil {
		b.sink.Stop()
	}
}

// start starts the sink and the system.
func start(ctx context.Context, bin *systems.Binaries, s *systems.System, dir string, byRequest bool) (*bench, error) {
	b := &bench{system: s}
	var err error
	if b.sink, err = process.Start(bin.Sink, fmt.Sprintf("-by-request-id=%t", byRequest)); err != nil {
		return nil, err
	}
	if err := b.sink.Read(&b.to); err != nil {
		b.stop()
		return nil, err
	}
	if b.running, err = s.Start(ctx, bin, dir, b.to); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// Run makes one measurement.
func Run(ctx context.Context, bin *systems.Binaries, s *systems.System, t Traffic) (*Result, error) {
	dir, err := os.MkdirTemp("", "alspan-bench-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	b, err := start(ctx, bin, s, dir, t.Headers == load.None)
	if err != nil {
		return nil, err
	}
	defer b.stop()

	args := []string{"-to", b.running.In, "-protocol", string(s.Takes), "-streams", strconv.Itoa(t.Streams), "-rate", fmt.Sprint(t.Rate),
		"-entries", strconv.Itoa(t.Entries), "-headers", string(t.Headers), "-warm", t.Warm.String(), "-duration", t.Duration.String(),
		"-run", strconv.Itoa(warmRun), fmt.Sprintf("-foreign=%t", t.Foreign), "-probes", strconv.Itoa(t.Probes)}
	if s.Takes == load.Both {
		args = append(args, "-spans", strconv.Itoa(t.Halves.Spans), "-every", strconv.Itoa(t.Halves.Every), "-lag", t.Halves.Lag.String())
	}
	if t.Rate == 0 && !t.Overrun && s.Window > 0 {
		args = append(args, "-window", strconv.Itoa(s.Window), "-control", b.to.Control)
	}
	if b.load, err = process.Start(bin.Load, args...); err != nil {
		return nil, err
	}
	var warm, sent load.Report
	if err := b.load.Read(&warm); err != nil {
		return nil, err
	}
	if err := b.settle(ctx, &warm); err != nil {
		return nil, err
	}
	if b.warm, err = b.progress(ctx, measuredRun); err != nil {
		return nil, err
	}
	fates, err := b.fates(ctx)
	if err != nil {
		return nil, err
	}
	before, beforeSink, err := b.clocks()
	if err != nil {
		return nil, err
	}
	profiled := b.profile(ctx, bin.Profiles, t.Name, t.Duration)
	if err := errors.Join(b.load.Say(), b.load.Read(&sent)); err != nil {
		return nil, errors.Join(err, b.running.Alive())
	}
	if err := <-profiled; err != nil {
		return nil, err
	}
	if err := b.settle(ctx, &sent); err != nil {
		return nil, err
	}
	after, afterSink, err := b.clocks()
	if err != nil {
		return nil, err
	}
	r := &Result{System: s.Name, Sent: sent.Traces(), Filtered: sent.Probes, Rate: float64(sent.Entries) / sent.Seconds, Cores: (after - before).Seconds() / sent.Seconds,
		LoadCPU: sent.CPU / float64(sent.Entries) * 1e6,
		SinkCPU: (afterSink - beforeSink).Seconds() / float64(sent.Entries) * 1e6, Late: sent.Late * 1e3}
	if err := b.judge(ctx, r, &sent); err != nil {
		return nil, err
	}
	if err := b.filtered(ctx, warm.Probes+sent.Probes); err != nil {
		return nil, err
	}
	if r.Delivered > 0 {
		r.CPU = (after - before).Seconds() / (float64(r.Delivered) / float64(r.Sent) * float64(sent.Entries)) * 1e6
	}
	if r.Join, err = b.join(ctx, fates, &sent); err != nil {
		return nil, err
	}
	memory, err := b.running.Memory()
	if err != nil {
		return nil, err
	}
	r.Peak = float64(memory.Peak) / (1 << 20)
	return r, nil
}

// clocks gives the CPU time of the system and of the sink.
func (b *bench) clocks() (system, sink time.Duration, err error) {
	system, err = b.running.CPU()
	if err == nil {
		sink, err = b.sink.CPU()
	}
	return system, sink, err
}

// settle waits until everything that a phase sent has come out, or nothing comes any more.
func (b *bench) settle(ctx context.Context, sent *load.Report) error {
	last, moved := uint64(0), time.Now()
	for {
		now, err := b.progress(ctx, sent.Run)
		if err != nil {
			return err
		}
		n, want := b.came(&now, sent)
		if n >= want {
			return nil
		}
		if n != last {
			last, moved = n, time.Now()
		}
		if time.Since(moved) > max(quiet, b.system.Quiet) {
			return b.running.Alive()
		}
		time.Sleep(lookEvery)
	}
}

// came gives how much of a phase has come out, and how much should, in the system's own measure. Spans know their run.
func (b *bench) came(now *counts, sent *load.Report) (n, want uint64) {
	switch b.system.Gives {
	case systems.Spans:
		return now.Different, sent.Traces()
	case systems.Records:
		return now.Records - b.warm.Records, sent.Entries
	}
	return now.Bytes - b.warm.Bytes, sent.Bytes + 4*sent.Messages // each message has its length before it
}

func (b *bench) progress(ctx context.Context, run uint32) (c counts, err error) {
	at := b.to.Control
	if b.system.Gives == systems.Nothing {
		at = b.running.Control
	}
	return c, call(ctx, fmt.Sprintf("http://%s/progress?run=%d", at, run), nil, &c.Progress)
}

// judge fills in what was delivered.
func (b *bench) judge(ctx context.Context, r *Result, sent *load.Report) error {
	if b.system.Gives == systems.Spans {
		var v sink.Verdict
		if err := call(ctx, fmt.Sprintf("http://%s/judge?run=%d", b.to.Control, sent.Run), sent.Streams, &v); err != nil {
			return err
		}
		if v.Unsent > 0 {
			return fmt.Errorf("cannot use the measurement: %d spans came out that no one sent, or that were to be dropped", v.Unsent)
		}
		r.Delivered, r.Lost, r.Doubled, r.Latency = v.Spans, v.Lost, v.Doubled, v.Latency
		r.Named = append(v.FirstLost, v.FirstTwice...)
		return nil
	}
	now, err := b.progress(ctx, sent.Run)
	if err != nil {
		return err
	}
	n, want := b.came(&now, sent)
	r.Delivered = uint64(float64(sent.Entries) * float64(n) / float64(want))
	r.Lost = sent.Entries - min(r.Delivered, sent.Entries)
	r.Doubled = r.Delivered - min(r.Delivered, sent.Entries)
	return nil
}

// call asks a control address; a body makes it a POST.
func call(ctx context.Context, url string, body, answer any) error {
	method, b := http.MethodGet, []byte(nil)
	if body != nil {
		method = http.MethodPost
		var err error
		if b, err = json.Marshal(body); err != nil {
			return fmt.Errorf("cannot encode a question: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("cannot ask %s: %w", url, err)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("cannot ask %s: %w", url, err)
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot ask %s: %s", url, got.Status)
	}
	if err := json.NewDecoder(got.Body).Decode(answer); err != nil {
		return fmt.Errorf("cannot decode the answer of %s: %w", url, err)
	}
	return nil
}
