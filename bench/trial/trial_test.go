package trial

import (
	"errors"
	"testing"
	"time"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/bench/systems"
)

// What comes out is what went in: nothing is lost, nothing comes twice. Nothing here depends on how fast the machine is.
func TestNothingIsLostOrDoubled(t *testing.T) {
	bin, err := systems.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		system  *systems.System
		headers load.Headers
		rate    float64
	}{
		{systems.Alspan(load.ALS, true), load.W3C, 2000},
		{systems.Alspan(load.ALS, false), load.B3, 2000},
		{systems.Alspan(load.ALS, true), load.None, 2000},
		{systems.Alspan(load.ALS, true), load.W3C, 0},
		{systems.Official(true), load.W3C, 2000},
		{systems.Floor(), load.W3C, 2000},
		{systems.ReadFloor(), load.W3C, 2000},
	} {
		t.Run(c.system.Name+" "+string(c.headers), func(t *testing.T) {
			t.Parallel()
			r, err := Run(t.Context(), bin, c.system, Traffic{Protocol: c.system.Takes, Streams: 3, Rate: c.rate, Entries: 14, Headers: c.headers,
				Warm: 200 * time.Millisecond, Duration: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent == 0 || r.Delivered != r.Sent || r.Lost != 0 || r.Doubled != 0 {
				t.Errorf("sent %d, delivered %d, lost %d, doubled %d: %q", r.Sent, r.Delivered, r.Lost, r.Doubled, r.Named)
			}
			if r.CPU <= 0 || r.Peak <= 0 {
				t.Errorf("cost nothing: %+v", r)
			}
		})
	}
}

// Both halves of a request come out as one span, whatever waits for whom.
func TestHalvesComeOutAsOne(t *testing.T) {
	bin, err := systems.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), bin, systems.Join("joined", true), Traffic{Protocol: load.Both, Streams: 2, Rate: 1000, Entries: 14, Headers: load.W3C,
		Halves: load.Halves{Spans: 5, Every: 1, Lag: 100 * time.Millisecond}, Warm: 100 * time.Millisecond, Duration: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent != 500 || r.Lost != 0 || r.Doubled != 0 || r.Join.Joined() != 1 || r.Join.Evicted() != 0 {
		t.Errorf("%+v, %s: %q", r, r.Join, r.Named)
	}
}

// What filters drop is not lost, and nothing else is dropped. Without filters it comes out, which is no measurement.
func TestFilteredSpansDoNotComeOut(t *testing.T) {
	bin, err := systems.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	traffic := Traffic{Protocol: load.OTLP, Streams: 2, Rate: 2000, Entries: 14, Probes: 3, Warm: 200 * time.Millisecond, Duration: 500 * time.Millisecond}
	r, err := Run(t.Context(), bin, systems.Filters(), traffic)
	if err != nil {
		t.Fatal(err)
	}
	if r.Delivered != r.Sent || r.Lost != 0 || r.Doubled != 0 || r.Filtered*3 < r.Sent+r.Filtered || r.Filtered*3 > r.Sent+r.Filtered+4 {
		t.Errorf("%+v", r)
	}
	if _, err := Run(t.Context(), bin, systems.Alspan(load.OTLP, true), traffic); err == nil {
		t.Error("spans that were to be dropped came out")
	}
	traffic.Probes = 0
	if r, err := Run(t.Context(), bin, systems.Filters(), traffic); err != nil || r.Delivered != r.Sent || r.Filtered != 0 {
		t.Errorf("without probes: %+v, %v", r, err)
	}
}

func TestOnlyOTLPReceiversGetSpans(t *testing.T) {
	bin, err := systems.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := systems.Official(true) // receives access logs only
	s.Takes = load.OTLP
	if _, err := Run(t.Context(), bin, s, Traffic{Protocol: load.OTLP, Streams: 1, Entries: 1}); !errors.Is(err, systems.ErrNotYet) {
		t.Errorf("got error %v, want %v", err, systems.ErrNotYet)
	}
}

func TestIdle(t *testing.T) {
	bin, err := systems.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Idle(t.Context(), bin, systems.Alspan(load.ALS, true), 100*time.Millisecond)
	if err != nil || r.Resident <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
