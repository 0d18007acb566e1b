package export

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
)

// otherBody is a request with one empty ResourceMetrics, or ResourceLogs, and a field that is newer than both.
var otherBody = []byte("\x0a\x00\xc2\x0c\x05newer")

var fakeSignals = [ledger.NumSignals]fake.Signal{ledger.Metrics: fake.Metrics, ledger.Logs: fake.Logs}

// A request arrives byte for byte, compressed or not, and is tried again as spans are.
func TestForward(t *testing.T) {
	taken := OtherResult{Taken: true}
	wait := 20 * time.Millisecond
	for _, c := range []struct {
		name    string
		replies []fake.Reply
		want    OtherResult
		tries   int
	}{
		{"accepted", nil, taken, 1},
		{"every retryable code", []fake.Reply{{Code: codes.Canceled}, {Code: codes.DeadlineExceeded}, {Code: codes.OutOfRange}, {Code: codes.DataLoss}, {Code: codes.Unavailable}}, taken, 6},
		{"throttled with RetryInfo", []fake.Reply{{Code: codes.ResourceExhausted, RetryInfo: &wait}}, taken, 2},
		{"exhausted for good", []fake.Reply{{Code: codes.ResourceExhausted}}, OtherResult{Reason: ledger.OtherRejected}, 1},
		{"invalid", []fake.Reply{{Code: codes.InvalidArgument}}, OtherResult{Reason: ledger.OtherRejected}, 1},
		{"partial success", []fake.Reply{{Rejected: 3, Message: "no"}}, OtherResult{Taken: true, Rejected: 3}, 1},
		{"less than nothing rejected", []fake.Reply{{Rejected: -3}}, taken, 1},
		{"connection lost", []fake.Reply{{Disconnect: true}}, taken, 2},
	} {
		for signal, name := range fakeSignals {
			t.Run(c.name+" "+string(name), func(t *testing.T) {
				backend := newBackend(t)
				backend.ScriptOf(name, c.replies...)
				x := newTestOTLP(t, backend.Address(), func(o *Options) { o.Gzip = c.tries == 1; o.Headers = map[string]string{"x-tenant": "blue"} })
				got := x.Forward(t.Context(), ledger.Signal(signal), otherBody)
				if got.Taken {
					got.Reason = 0
				}
				if got != c.want || backend.OtherAttempts(name) != c.tries {
					t.Errorf("got %+v in %d attempts, want %+v in %d", got, backend.OtherAttempts(name), c.want, c.tries)
				}
				if !c.want.Taken {
					return
				}
				all := backend.Others(name)
				if len(all) != 1 || !bytes.Equal(all[0].Raw, otherBody) || all[0].Err != nil || all[0].Header.Get("x-tenant")[0] != "blue" {
					t.Errorf("%d arrived: %+v", len(all), all)
				}
			})
		}
	}
}

// An upstream that has no such service is asked once in a while, and the log says it once. The other signal goes on.
func TestForwardUnimplemented(t *testing.T) {
	var said lockedBuffer
	backend := newBackend(t)
	backend.AlwaysOf(fake.Metrics, fake.Reply{Code: codes.Unimplemented})
	x := newTestOTLP(t, backend.Address(), func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	want := OtherResult{Reason: ledger.OtherUnimplemented}
	for range 2 {
		for range 5 {
			if got := x.Forward(t.Context(), ledger.Metrics, otherBody); got != want {
				t.Errorf("metrics: %+v", got)
			}
			if got := x.Forward(t.Context(), ledger.Logs, otherBody); !got.Taken {
				t.Errorf("logs: %+v", got)
			}
		}
		rests := time.Until(time.Unix(0, x.others[ledger.Metrics].rests.Load()))
		if rests > restFor || rests < restFor-10*time.Second {
			t.Errorf("it rests for %v", rests)
		}
		x.others[ledger.Metrics].rests.Store(time.Now().UnixNano()) // the minute is over
	}
	if n := backend.OtherAttempts(fake.Metrics); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "does not take metrics") {
		t.Errorf("said %q", text)
	}
	backend.AlwaysOf(fake.Metrics, fake.Reply{})
	x.others[ledger.Metrics].rests.Store(0)
	if got := x.Forward(t.Context(), ledger.Metrics, otherBody); !got.Taken {
		t.Errorf("it takes metrics by now: %+v", got)
	}
}

func TestForwardEnds(t *testing.T) {
	backend := newBackend(t)
	backend.AlwaysOf(fake.Logs, fake.Reply{Code: codes.Unavailable})
	x := newTestOTLP(t, backend.Address(), func(o *Options) { o.GiveUp = 50 * time.Millisecond })
	if got, want := x.Forward(t.Context(), ledger.Logs, otherBody), (OtherResult{Reason: ledger.OtherRetryExhausted}); got != want {
		t.Errorf("after giving up: %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	x.Set(Options{Timeout: time.Minute, Initial: time.Minute, Max: time.Minute, GiveUp: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if got, want := x.Forward(ctx, ledger.Logs, otherBody), (OtherResult{Reason: ledger.OtherShutdown}); got != want {
		t.Errorf("at the end: %+v", got)
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
