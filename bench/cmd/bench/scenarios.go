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
	rounds  int
}

// scale says how long everything takes.
type scale struct {
	warm, duration        time.Duration
	rounds, scalingRounds int
	scaling               bool
}

func (q scale) traffic(p load.Protocol, streams int, rate float64, entries int) trial.Traffic {
	return trial.Traffic{Protocol: p, Streams: streams, Rate: rate, Entries: entries, Headers: load.W3C, Warm: q.warm, Duration: q.duration}
}

// alsSystems is everything that takes access logs; alspan is first, since it is what ratios are to.
func alsSystems() []*systems.System {
	return []*systems.System{systems.Alspan(load.ALS, true), systems.Alspan(load.ALS, false), systems.CollectorLogs(),
		systems.Official(true), systems.Floor(), systems.ReadFloor()}
}

// scenarios gives the tables.
func scenarios(q scale) []scenario {
	otlp := []*systems.System{systems.Alspan(load.OTLP, true), systems.CollectorTraces(), systems.CollectorFilters()}
	list := []scenario{
		{name: "ALS in, saturated", note: "4 streams, 100 entries a message. What alspan has not passed on is bounded to 8000 entries, so that it drops none.",
			systems: alsSystems(), traffic: q.traffic(load.ALS, 4, 0, 100)},
		{name: "ALS in, 20,000 entries/s", note: "4 streams, 14 entries (16 KiB) a message, as Envoys send them under load.",
			systems: alsSystems(), traffic: q.traffic(load.ALS, 4, 20_000, 14)},
		{name: "OTLP in, saturated", note: "4 connections with one request of 100 spans at a time each; no processors, but for the last row.",
			systems: otlp, traffic: q.traffic(load.OTLP, 4, 0, 100)},
	}
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
