package e2e

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/alspan/alspan/internal/fake"
)

// load sends to an agent at a constant rate, and its backend notes what comes of that.
type load struct {
	envoy   *fake.Envoy
	backend *fake.Backend
	lanes   []*lane      // the first ones are streams
	dials   atomic.Int64 // connections that were opened
	stop    context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

// lane is a sender whose requests the agent takes one after the other: a stream of entries, or a caller of OTLP. They are numbered,
// and the filters are for the odd ones.
type lane struct {
	began     atomic.Int64 // requests that are sent, or about to be
	send      func(n int) error
	from      int // the next one when flows was called
	intervals []interval
	history
}

const (
	streams = 12
	callers = 4
	pause   = 40 * time.Millisecond // of a lane, after each request
)

// newLoad starts the load's backend; begin sends.
func newLoad(t *testing.T) *load {
	t.Helper()
	l := &load{}
	for range streams + callers {
		l.lanes = append(l.lanes, &lane{history: history{came: map[int]int{}}})
	}
	var err error
	if l.backend, err = fake.NewBackend(fake.BackendOptions{Keep: -1, OnRequest: l.note}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.backend.Close)
	return l
}

// begin sends to the agent at that address until end.
func (l *load) begin(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	dial := grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		l.dials.Add(1)
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	})
	var err error
	l.envoy, err = fake.NewEnvoy(fake.EnvoyOptions{Target: "passthrough:///" + address, Dial: []grpc.DialOption{dial}, LogName: "edge",
		Workers: streams, FlushInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.envoy.Close(t.Context()) }) // which is over
	for i, lane := range l.lanes {
		if i < streams {
			lane.send = func(n int) error { return l.envoy.Log(i, entryOf(i, n)) }
			continue
		}
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), dial)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		lane.send = func(n int) error { return sendTraces(t.Context(), conn, spanOf(i, n)) }
	}
	for i, lane := range l.lanes {
		l.running.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				n := int(lane.began.Add(1) - 1)
				if err := lane.send(n); err != nil {
					l.failed(fmt.Errorf("lane %d: cannot send %d: %w", i, n, err))
				}
			}
		})
	}
}

// end sends what is left and gives how many entries and spans that were in all.
func (l *load) end(t *testing.T) (entries, spans int) {
	t.Helper()
	l.stop()
	l.running.Wait()
	if err := l.envoy.Close(t.Context()); err != nil || l.envoy.Stats().Lost > 0 {
		t.Errorf("%d entries were lost: %v", l.envoy.Stats().Lost, err)
	}
	for i, lane := range l.lanes {
		if lane.sent = int(lane.began.Load()); i < streams {
			entries += lane.sent
		} else {
			spans += lane.sent
		}
	}
	return entries, spans
}

func (l *load) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// note takes what the agent has sent.
func (l *load) note(r *fake.Request) {
	if err := fake.Check(r.Traces.GetResourceSpans()); err != nil {
		l.failed(err)
	}
	for _, s := range flatten(r.Traces) {
		i, n, err := numbersOf(s.text("url.path"))
		generation, bad := strconv.Atoi(s.text("cluster"))
		l.mu.Lock()
		if err != nil || bad != nil {
			l.errs = append(l.errs, fmt.Errorf("the agent sent %v", s.Span))
		} else if _, twice := l.lanes[i].came[n]; twice {
			l.errs = append(l.errs, fmt.Errorf("request %d of lane %d came twice", n, i))
		} else {
			l.lanes[i].came[n], l.lanes[i].last = generation, max(l.lanes[i].last, n)
		}
		l.mu.Unlock()
	}
}

// flows waits until some requests of each lane have come that are sent from now on. The rules that are in force now hold for them.
func (l *load) flows(t *testing.T) {
	t.Helper()
	for _, lane := range l.lanes {
		lane.from = int(lane.began.Load())
	}
	eventually(t, 20*time.Second, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i, lane := range l.lanes {
			if lane.last < lane.from+4 {
				return fmt.Errorf("of lane %d %d has come, want %d", i, lane.last, lane.from+4)
			}
		}
		return nil
	})
}

// pass notes that what was sent since flows, and has come until now, was taken by the rules of a generation.
func (l *load) pass(generation int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range l.lanes { // all before the last one have been taken
		lane.intervals = append(lane.intervals, interval{lane.from, lane.last, generation})
	}
}

// check checks what has come of all lanes, and gives how many requests were dropped.
func (l *load) check(t *testing.T, filters []bool) (dropped int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, lane := range l.lanes {
		if err := lane.obeys(filters, lane.intervals); err != nil {
			t.Errorf("lane %d: %v", i, err)
		}
		dropped += lane.dropped()
	}
	for _, err := range append(l.errs, l.backend.Err()) {
		if err != nil {
			t.Error(err)
		}
	}
	return dropped
}
