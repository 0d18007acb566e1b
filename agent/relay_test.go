package agent

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
)

// When the upstream is away for one signal, that one fills its part of the memory and is refused then. The other one goes on, and
// nothing that was taken is lost.
func TestRelayIsBounded(t *testing.T) {
	backend := startBackend(t)
	backend.AlwaysOf(fake.Logs, fake.Reply{Code: codes.Unavailable})
	a := startAgent(t, backend, func(c *config.Config) { c.Export.OtherMemory = config.MiB })
	send, r := otherSender(t, a.Address()), a.pipeline.relay
	const size = 10 << 10
	body, taken := otherRequest(t, fake.Logs, "one", size), 0
	for err := error(nil); ; taken++ {
		if err = send(fake.Logs, body); err != nil {
			if codeOf(err) != codes.Unavailable {
				t.Errorf("%v", err)
			}
			break
		}
	}
	r.mu.Lock()
	held := r.lines[ledger.Logs].held
	r.mu.Unlock()
	if held > r.largest() || held < r.largest()-2*size || r.Others[ledger.Logs].Refused.Load() != 1 {
		t.Errorf("%d of %d bytes are held after %d requests", held, r.largest(), taken)
	}
	for range 50 {
		for send(fake.Metrics, otherRequest(t, fake.Metrics, "one", size)) != nil {
			time.Sleep(time.Millisecond)
		}
	}
	wantOthers(t, backend, fake.Metrics, 50)
	if err := send(fake.Logs, otherRequest(t, fake.Logs, "large", int(config.MiB))); codeOf(err) != codes.ResourceExhausted {
		t.Errorf("what never has room: %v", err)
	}
	backend.AlwaysOf(fake.Logs, fake.Reply{})
	wantOthers(t, backend, fake.Logs, taken)
	mustSend(t, send, fake.Logs, otherRequest(t, fake.Logs, "large", r.largest()-size))
	wantOthers(t, backend, fake.Logs, taken+1)
	a.Stop()
	checkLedgers(t, a)
}

// A request for which there would be room, but not with all that its pods add, goes without that.
func TestDetailThatHasNoRoom(t *testing.T) {
	p := otherPipeline(t, startBackend(t))
	p.relay.most = int(config.MiB)
	for _, c := range []struct{ size, added int }{{p.relay.largest() - 2*wholeOverhead, 0}, {100, 1}} {
		body := otherRequest(t, fake.Logs, "one", c.size)
		if o := p.other(ledger.Logs, body, netip.MustParseAddr("10.0.0.1")); o.Full || o.TooLarge {
			t.Fatalf("%+v", o)
		}
		w, _ := p.relay.next(ledger.Logs)
		if added := len(w.body) - len(body); min(added, 1) != c.added || w.received != len(body) {
			t.Errorf("%d bytes became %d", len(body), len(w.body))
		}
		p.relay.release(ledger.Logs, w.held())
	}
	if p.relay.lines[ledger.Logs].held != 0 {
		t.Errorf("%d bytes are held", p.relay.lines[ledger.Logs].held)
	}
}

// What OTLP allows to be tried again is tried again, also when the upstream is a new one. Rejected items are counted.
func TestRelayTriesAgain(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, nil)
	send := otherSender(t, a.Address())
	for i, signal := range otherSignals {
		o := &a.pipeline.relay.Others[i]
		backend.ScriptOf(signal, fake.Reply{Code: codes.Unavailable}, fake.Reply{Disconnect: true}, fake.Reply{Rejected: 3}, fake.Reply{Code: codes.InvalidArgument})
		mustSend(t, send, signal, otherRequest(t, signal, "taken", 100))
		await(t, "the third attempt", func() bool { return o.Partial.Load() == 3 })
		mustSend(t, send, signal, otherRequest(t, signal, "refused", 100))
		await(t, "the refusal", func() bool { return o.Dropped[ledger.OtherRejected].Requests.Load() == 1 })
		if n := backend.OtherAttempts(signal); n != 4 {
			t.Errorf("%d attempts with %s, want 4", n, signal)
		}
	}
	backend.Stop()
	for _, signal := range otherSignals {
		mustSend(t, send, signal, otherRequest(t, signal, "late", 100))
	}
	time.Sleep(20 * time.Millisecond)
	if err := backend.Start(); err != nil {
		t.Fatal(err)
	}
	for i, signal := range otherSignals {
		wantOthers(t, backend, signal, 2)
		o := &a.pipeline.relay.Others[i]
		await(t, "the ledger", func() bool { return o.Exported.Requests.Load() == 2 })
	}
	a.Stop()
	checkLedgers(t, a)
}

// While the core of spans fills up, nothing else is taken.
func TestSpansComeFirst(t *testing.T) {
	backend := startBackend(t)
	backend.Always(fake.Reply{Code: codes.Unavailable})
	a := startAgent(t, backend, func(c *config.Config) {
		c.Export.Memory, c.Export.Batch.Bytes, c.Export.Drain = config.MiB, 128*config.KiB, 0
	})
	send := otherSender(t, a.Address())
	for a.pipeline.core.Percent() <= othersAbove {
		mustSend(t, send, fake.Logs, otherRequest(t, fake.Logs, "one", 10))
		if err := exportTo(t, a.Address(), nil, 1000); err != nil {
			t.Fatal(err)
		}
	}
	for _, signal := range otherSignals {
		if err := send(signal, otherRequest(t, signal, "one", 10)); codeOf(err) != codes.Unavailable {
			t.Errorf("%s while there is little room for spans: %v", signal, err)
		}
	}
	a.Stop()
	checkLedgers(t, a)
}

// A stop sends what waits, and what cannot be sent until then is counted. Spans do not wait for it.
func TestRelayDrains(t *testing.T) {
	for name, reply := range map[string]fake.Reply{"slow": {Delay: 5 * time.Millisecond}, "away": {Code: codes.Unavailable}, "stuck": {Delay: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			backend := startBackend(t)
			for _, signal := range otherSignals {
				backend.AlwaysOf(signal, reply)
			}
			a := startAgent(t, backend, func(c *config.Config) {
				if c.Export.Batch.Age = time.Minute; name != "slow" {
					c.Export.Drain = 500 * time.Millisecond
				}
			})
			send := otherSender(t, a.Address())
			const n = 30
			for range n {
				for _, signal := range otherSignals {
					mustSend(t, send, signal, otherRequest(t, signal, "one", 100))
				}
			}
			if err := exportTo(t, a.Address(), nil, 100); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			a.Stop()
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if got := backend.Stats().Spans; got != 100 {
				t.Errorf("%d of 100 spans arrived", got)
			}
			if at := backend.Requests()[0].At.Sub(began); at > 400*time.Millisecond && name == "stuck" {
				t.Errorf("the spans left %v after the stop", at)
			}
			for i := range otherSignals {
				o := &a.pipeline.relay.Others[i]
				left, lost := o.Exported.Requests.Load(), o.Dropped[ledger.OtherShutdown].Requests.Load()
				if want := map[bool]int64{true: n}[name == "slow"]; left != want || lost != n-want {
					t.Errorf("%d are sent and %d lost, want %d and %d", left, lost, want, n-want)
				}
			}
			checkLedgers(t, a)
		})
	}
}

// A flood of metrics that the upstream takes slowly costs no span.
func TestFloodOfMetrics(t *testing.T) {
	backend := startBackend(t)
	backend.AlwaysOf(fake.Metrics, fake.Reply{Delay: 5 * time.Millisecond})
	a := startAgent(t, backend, func(c *config.Config) { c.Export.OtherMemory = config.MiB })
	body := otherRequest(t, fake.Metrics, "flood", 50<<10, text("service.name", "shop"))
	var flood, spans sync.WaitGroup
	over := make(chan struct{})
	for range 4 {
		send := otherSender(t, a.Address())
		flood.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if err := send(fake.Metrics, body); err != nil && codeOf(err) != codes.Unavailable {
					t.Errorf("%v", err)
				}
				if err := send(fake.Logs, body[:0]); err != nil && codeOf(err) != codes.Unavailable {
					t.Errorf("%v", err)
				}
			}
		})
	}
	const senders, requests, each = 4, 25, 40
	for range senders {
		spans.Go(func() {
			for range requests {
				if err := exportTo(t, a.Address(), nil, each); err != nil {
					t.Errorf("%v", err)
				}
			}
		})
	}
	spans.Wait()
	if err := backend.WaitSpans(t.Context(), senders*requests*each); err != nil {
		t.Fatal(err)
	}
	close(over)
	flood.Wait()
	stopWithoutLoss(t, a)
	if o := &a.pipeline.relay.Others[ledger.Metrics]; o.Refused.Load() == 0 || o.Exported.Requests.Load() != int64(len(backend.Others(fake.Metrics))) || o.Exported.Requests.Load() == 0 {
		t.Errorf("%d are refused, %d of %d exported", o.Refused.Load(), o.Exported.Requests.Load(), len(backend.Others(fake.Metrics)))
	}
}

// The bound of memory that is said at the start has the memory of metrics and logs, where they are sent on.
func TestMemoryOfOtherSignals(t *testing.T) {
	c := config.Default()
	with := memoryBound(c)
	c.Export.OtherMemory += 100 * config.MiB
	more := memoryBound(c)
	c.Receive.OtherSignals = "drop"
	var a, b, none int
	for text, n := range map[string]*int{with: &a, more: &b, memoryBound(c): &none} {
		if _, err := fmt.Sscanf(text, "%d MiB", n); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	if b-a != 100 || a-none != 8 {
		t.Errorf("with 8 MiB for them %s, with 108 MiB %s, with none %s", with, more, strings.TrimSpace(memoryBound(c)))
	}
}
