package main

import (
	"fmt"
	"time"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/bench/systems"
	"github.com/alspan/alspan/bench/trial"
)

// A scenario is one table, or one point of a plot: the same traffic for several systems.
type scenario struct {
	name    string // of the table, or of the series of points
	note    string // below the heading
	point   float64
	systems []*systems.System
	traffic trial.Traffic
	each    []trial.Traffic // instead of traffic, for each system
	base    string          // of the systems: what the others are compared with
	rounds  int
}

// scale says how long everything takes.
type scale struct {
	warm, duration        time.Duration
	rounds, scalingRounds int
	scaling               bool
	other                 bool // there is another build to compare with
}

func (q scale) traffic(p load.Protocol, streams int, rate float64, entries int) trial.Traffic {
	return trial.Traffic{Protocol: p, Streams: streams, Rate: rate, Entries: entries, Headers: load.W3C, Warm: q.warm, Duration: q.duration}
}

// alsSystems is everything that takes access logs; alspan is first, since it is what ratios are to.
func alsSystems(other bool) []*systems.System {
	list := []*systems.System{systems.Alspan(load.ALS, true), systems.Alspan(load.ALS, false), systems.WithoutMetrics(), systems.CollectorLogs(),
		systems.Official(true), systems.Floor(), systems.ReadFloor()}
	if other {
		list = append(list, systems.Other())
	}
	return list
}

// scenarios gives the tables.
func scenarios(q scale) []scenario {
	otlp := []*systems.System{systems.Alspan(load.OTLP, true), systems.Filters(), systems.CollectorTraces(), systems.CollectorFilters()}
	foreign := q.traffic(load.OTLP, 4, 0, 100)
	foreign.Foreign = true
	list := []scenario{
		{name: "ALS in, saturated", note: "4 streams, 100 entries a message. What alspan has not passed on is bounded to 8000 entries, so that it drops none.",
			systems: alsSystems(q.other), traffic: q.traffic(load.ALS, 4, 0, 100)},
		{name: "ALS in, 20,000 entries/s", note: "4 streams, 14 entries (16 KiB) a message, as Envoys send them under load.",
			systems: alsSystems(q.other), traffic: q.traffic(load.ALS, 4, 20_000, 14)},
		{name: "OTLP in, saturated", note: "4 connections with one request of 100 spans at a time each; no processors, but where it says so. The spans are Envoy's, and no entries come for them.",
			systems: otlp, traffic: q.traffic(load.OTLP, 4, 0, 100)},
		{name: "OTLP in, not from Envoy, saturated", note: "The same spans, byte for byte, but for `component`, which does not say that a proxy made them.",
			systems: []*systems.System{otlp[0], systems.CollectorTraces()}, traffic: foreign},
	}
	probes := q.traffic(load.OTLP, 4, 0, 100)
	probes.Probes = 3
	list = append(list, scenario{name: "OTLP in, a third filtered, saturated", note: "Every third of the spans is a probe, which the eighth condition drops. CPU us/entry is for each span that came in.",
		systems: []*systems.System{systems.Filters(), systems.CollectorFilters()}, traffic: probes})
	if q.scaling {
		overrun := q.traffic(load.ALS, 4, 0, 100)
		overrun.Overrun = true
		list = append(list,
			scenario{name: "ALS in, more than it can pass on", note: "As saturated, but nothing bounds what is on its way: alspan drops the newest spans and counts them, the others make the sender wait.",
				systems: []*systems.System{systems.Alspan(load.ALS, true), systems.Official(true)}, traffic: overrun},
			scenario{name: "ALS in, 4 entries/s", note: "One stream, one entry a message: how long a span is on its way when there is nothing else.",
				systems: []*systems.System{systems.Alspan(load.ALS, true), systems.Official(true)}, traffic: q.traffic(load.ALS, 1, 4, 1)},
			scenario{name: "OTLP in, 20,000 spans/s", note: "4 connections, 14 spans a request.", systems: otlp, traffic: q.traffic(load.OTLP, 4, 20_000, 14)})
	}
	for i := range list {
		list[i].rounds = q.rounds
	}
	return list
}

// joinWarm is longer than what is usual: an agent has to learn whose spans come, and whose do not.
const joinWarm = 3 * time.Second

// joins gives the tables about requests of which both halves come.
func joins(q scale) (list []scenario) {
	for _, v := range []struct {
		name, note string
		spans      int
	}{
		{"Both halves, spans by the five", "5 spans a request, as Envoys send them: most of this is the cost of the requests.", 5},
		{"Both halves, spans by the hundred", "100 spans a request: what the join costs shows better.", 100},
	} {
		s := scenario{name: v.name, rounds: q.rounds, base: nothingWaits, note: v.note + ` 20,000 entries/s in 16 KiB and 20,000 proxy spans/s, of 16 Envoys. The ` +
			`entries come behind their spans by up to a second, other for each Envoy.`}
		add := func(name string, waits bool, every int) {
			t := q.traffic(load.Both, 16, 20_000, 14)
			t.Halves, t.Warm = load.Halves{Spans: v.spans, Every: every, Lag: time.Second}, joinWarm
			s.systems, s.each = append(s.systems, systems.Join(name, waits)), append(s.each, t)
		}
		add(nothingWaits, true, 0)
		add("all joined", true, 1)
		add("90 % never joined", true, 10)
		if q.scaling {
			add("waits of 0 s", false, 1)
		} else if v.spans == 5 {
			continue
		}
		list = append(list, s)
	}
	return list
}

// nothingWaits is the load of which no half can have another one.
const nothingWaits = "nothing waits"

// The series of points that are plotted.
const (
	byStreams = "streams (14 entries a message, saturated)"
	byRate    = "entries/s (16 streams, 14 entries a message)"
	bySize    = "entries a message (4 streams, saturated)"
)

// scaling gives the points of the plot.
func scaling(q scale) (list []scenario) {
	if !q.scaling {
		return nil
	}
	all := []*systems.System{systems.Alspan(load.ALS, true), systems.Alspan(load.ALS, false), systems.Official(true), systems.CollectorLogs()}
	add := func(name string, point float64, t trial.Traffic, s []*systems.System) {
		list = append(list, scenario{name: name, point: point, systems: s, traffic: t, rounds: q.scalingRounds})
	}
	for _, n := range []int{1, 4, 16, 64, 256} {
		add(byStreams, float64(n), q.traffic(load.ALS, n, 0, 14), all)
	}
	for _, rate := range []float64{1_000, 10_000, 20_000, 100_000} {
		s := all
		if rate > 20_000 {
			s = all[:2] // the others cannot
		}
		add(byRate, rate, q.traffic(load.ALS, 16, rate, 14), s)
	}
	for _, n := range []int{1, 14, 100} {
		add(bySize, float64(n), q.traffic(load.ALS, 4, 0, n), all)
	}
	return list
}

func (s *scenario) String() string {
	if s.point > 0 {
		return fmt.Sprintf("%s: %g", s.name, s.point)
	}
	return s.name
}
