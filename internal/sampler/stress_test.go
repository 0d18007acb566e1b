package sampler

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pressure is a sampler under changing pressure.
type pressure struct {
	*Sampler
	t   *testing.T
	log bytes.Buffer
}

func newPressure(t *testing.T, above int, rules ...Rule) *pressure {
	p := &pressure{t: t}
	o := with(rules...)
	o.StressAbove, o.Log = above, slog.New(slog.NewTextHandler(&p.log, nil))
	p.Sampler = mustNew(t, o)
	return p
}

// ticks lets so many intervals pass with that much memory in use. It gives the share that is kept then.
func (p *pressure) ticks(n, percent int) float64 {
	for range n {
		time.Sleep(Interval)
		p.Tick(percent)
	}
	_, _, limit := p.Thresholds()
	return limit.Probability()
}

func (p *pressure) want(what string, got, want float64) {
	p.t.Helper()
	if math.Abs(got-want) > want/1000 {
		p.t.Errorf("%s: %v is kept, want %v", what, got, want)
	}
}

func TestStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPressure(t, 70)
		p.want("calm", p.ticks(10, 69), 1)
		p.want("once", p.ticks(1, 100), 1)
		p.want("not in a row", p.ticks(1, 69), 1)
		p.want("once more", p.ticks(1, 70), 1)
		if p.Active() || p.log.Len() > 0 {
			t.Errorf("it has begun too early: %s", &p.log)
		}
		p.want("twice in a row", p.ticks(1, 70), 1.0/2)
		if !p.Active() || !p.ByRequest() {
			t.Error("nothing is sampled")
		}
		p.want("three times", p.ticks(1, 90), 1.0/4)
		p.want("four times", p.ticks(1, 100), 1.0/8)
		p.want("at the end", p.ticks(20, 100), leastShare)

		p.want("no longer short", p.ticks(100, 69), leastShare)
		p.want("nearly calm", p.ticks(100, 50), leastShare)
		p.want("calm", p.ticks(1, 49), leastShare*1.25)
		p.want("calm again", p.ticks(1, 0), leastShare*1.25*1.25)
		p.want("between", p.ticks(10, 60), leastShare*1.25*1.25)
		p.want("short once", p.ticks(1, 80), leastShare*1.25*1.25)
		p.want("short twice", p.ticks(1, 80), leastShare)
		begun := time.Now()
		for p.ticks(1, 10) < 1 {
		}
		if d := time.Since(begun); d < 5*time.Second || d > 15*time.Second {
			t.Errorf("it has come back after %v", d)
		}
		p.want("afterwards", p.ticks(10, 10), 1)
		if p.Active() {
			t.Error("something is sampled")
		}
		lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "used_percent=70") || !strings.Contains(lines[1], "level=INFO") {
			t.Errorf("the log has %q", lines)
		}
		p.ticks(2, 100)
		if n := strings.Count(p.log.String(), "level=WARN"); n != 2 {
			t.Errorf("the second time is logged %d times", n-1)
		}
	})
}

// Even where little memory is much, there is a calm.
func TestStressAboveLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPressure(t, 10)
		p.want("short", p.ticks(3, 10), 1.0/4)
		p.want("between", p.ticks(10, 5), 1.0/4)
		p.want("calm", p.ticks(10, 4), 1)
	})
}

// What failed, what rules keep and what is forced stays; of all others it is a matter of the trace, and what is kept says so.
func TestUnderStress(t *testing.T) {
	p := newPressure(t, 70, Rule{Name: "slow", SlowerThan: time.Second}, Rule{Name: "probably", Error: true, SlowerThan: 500 * time.Millisecond, Action: Probability, Probability: 0.5})
	p.Tick(100)
	p.Tick(100)
	p.Tick(100)
	_, _, limit := p.Thresholds()
	if limit != quarter {
		t.Fatalf("the threshold is %014x", uint64(limit))
	}
	j, r := p.Judge(), random(12)
	const kept, gone = "ot=th:c", "dropped"
	for _, tt := range []struct {
		name        string
		span        []byte
		sub         Subject
		above, less string // what is written for traces with a randomness above the limit, and below
		why         string
	}{
		{"usual", encoded(t, spanOf(1, unset, "")), Subject{All: true}, kept, gone, "probability"},
		{"nothing known", encoded(t, spanOf(1, unset, "")), Subject{}, "", gone, "probability"},
		{"without context", encoded(t, spanOf(1, unset, "")), Subject{All: true, Contextless: true}, kept, gone, "no_context"},
		{"failed", encoded(t, spanOf(1, failed, "")), Subject{All: true}, "", "", "probability"},
		{"a rule keeps it", encoded(t, spanOf(2000, unset, "")), Subject{All: true}, "", "", "slow"},
		{"debug", encoded(t, spanOf(1, unset, "")), Subject{All: true, Debug: true}, "", "", "debug"},
		{"priority", encoded(t, spanOf(1, unset, "")), Subject{All: true, Priority: 1}, "", "", "priority"},
		{"not sampled before", encoded(t, spanOf(1, unset, "")), Subject{Unsampled: true}, "", "", "errors_always"},
		{"failed, with a probability", encoded(t, spanOf(800, failed, "")), Subject{All: true}, "ot=th:8", gone, "probably"},
	} {
		for range 200 {
			x := randomness(r)
			want, sub := tt.less, tt.sub
			if x >= uint64(limit) {
				want = tt.above
			} else if tt.why == "probably" && x >= uint64(half) {
				continue
			}
			sub.Trace = idOf(x)
			v := j.Judge(&sub, tt.span, nil, nil, false)
			if v.Keep != (want != gone) {
				t.Fatalf("%s, R %014x: kept is %v", tt.name, x, v.Keep)
			}
			if !v.Keep {
				if tt.why != "probably" && v.Reason != ByStress {
					t.Fatalf("%s: dropped by %s", tt.name, p.Name(v.Reason))
				}
				continue
			}
			for _, v := range []Verdict{v, j.Follow(&sub, v.Reason, tt.span)} {
				if s, why := noted(t, j, tt.span, v); s.TraceState != want || why != tt.why {
					t.Fatalf("%s, R %014x: %+v goes on with %q by %s, want %q by %s", tt.name, x, v, s.TraceState, why, want, tt.why)
				}
			}
		}
	}
}

// Another sampler goes on with the pressure, and says when it ends.
func TestStressGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPressure(t, 70)
		p.want("short", p.ticks(3, 90), 1.0/4)
		p.Sampler = reload(t, p.Sampler, p.o)
		p.want("still", p.ticks(1, 60), 1.0/4)
		p.want("short again", p.ticks(2, 90), 1.0/8)
		p.want("calm", p.ticks(20, 0), 1)
		if lines := strings.Count(p.log.String(), "\n"); lines != 2 || !strings.Contains(p.log.String(), "level=INFO") {
			t.Errorf("the log has %q", &p.log)
		}
	})
}

// More pressure keeps a part of what less pressure keeps.
func TestStressNests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPressure(t, 70)
		j, r := p.Judge(), random(13)
		traces := make([]uint64, 20_000)
		for i := range traces {
			traces[i] = randomness(r)
		}
		p.ticks(1, 100)
		kept, before := len(traces), uint64(0)
		for p.ticks(1, 100) > leastShare {
			_, _, high := p.Thresholds()
			limit, n := uint64(high), 0
			if limit <= before {
				t.Fatalf("the threshold falls from %014x to %014x", before, limit)
			}
			for _, x := range traces {
				is := j.Judge(subjectOf(x), nil, nil, nil, false).Keep
				if is != (x >= limit) {
					t.Fatalf("R %014x at the threshold %014x: kept is %v", x, limit, is)
				}
				if is {
					n++
				}
			}
			if n > 1000 {
				near(t, "the half", n, kept/2, 10)
			}
			kept, before = n, limit
		}
	})
}
