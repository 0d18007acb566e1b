// Package worlds takes a recording and a setting, or a seed, and gives a world: what arrives at the agent, byte for byte, and
// what is known about it.
package worlds

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/recordings"
)

// Settings gives what can be done to a recording.
//
//	both             as it was
//	als, traces      one of the signals
//	half             half of the trace messages
//	delay1..delay20  every message up to 12 s later, at random; an ALS stream keeps its order
//	dup              every ALS message twice
//	late             every trace message 12 s later
//	again            the recording ten times in a row, with other ids
//	silent           the same, with spans from the third time on
//	few              the same, with one trace message of sixteen
func Settings() []string {
	list := []string{"both", "als", "traces", "half"}
	for i := range 20 {
		list = append(list, "delay"+strconv.Itoa(i+1))
	}
	return append(list, "dup", "late", "again", "silent", "few")
}

// again is how far apart the repetitions are.
const again = 20 * time.Second

// Recorded gives a recording as a world.
func Recorded(mode, setting string) (*correlation.World, error) {
	frames, err := recordings.Frames(mode)
	if err != nil {
		return nil, err
	}
	facts, err := recordings.Facts(mode)
	if err != nil {
		return nil, err
	}
	w := &correlation.World{Name: mode + "/" + setting, Epoch: frames[0].At}
	rounds := 1
	if slices.Contains([]string{"again", "silent", "few"}, setting) {
		rounds = 10
	}
	seed, _ := strconv.Atoi(strings.TrimPrefix(setting, "delay"))
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	var all []correlation.Event // those that are lost, too
	traces := 0
	last := map[int]time.Duration{}
	for round := range rounds {
		for _, f := range frames {
			if !strings.ContainsRune("AOZ", rune(f.Kind)) {
				continue
			}
			ev := correlation.Event{At: time.Duration(f.At-w.Epoch) + time.Duration(round)*again, Kind: f.Kind, Stream: int(f.Stream) + 100*round, Bytes: f.Bytes}
			if round > 0 {
				if ev.Bytes, err = shifted(f.Kind, f.Bytes, round); err != nil {
					return nil, fmt.Errorf("cannot shift a frame of %s: %w", mode, err)
				}
			}
			all = append(all, ev)
			if f.Kind != correlation.ALS {
				traces++
				ev.Stream = 0
			}
			if lost(setting, f.Kind, traces, round) {
				continue
			}
			if setting == "late" && f.Kind != correlation.ALS {
				ev.At += 12 * time.Second
			}
			if seed > 0 {
				ev.At += time.Duration(rnd.Int64N(int64(12 * time.Second)))
				if f.Kind == correlation.ALS {
					ev.At = max(ev.At, last[ev.Stream])
					last[ev.Stream] = ev.At
				}
			}
			w.Events = append(w.Events, ev)
			if setting == "dup" && f.Kind == correlation.ALS {
				w.Events = append(w.Events, ev)
			}
		}
	}
	inOrder(w.Events)
	w.Truth, err = recordedTruth(mode, all, facts)
	return w, err
}

func inOrder(events []correlation.Event) {
	slices.SortStableFunc(events, func(a, b correlation.Event) int { return cmp.Compare(a.At, b.At) })
}

// lost tells whether a setting loses a message, the n-th trace message if it is one.
func lost(setting string, kind byte, n, round int) bool {
	if kind == correlation.ALS {
		return setting == "traces"
	}
	return setting == "als" || setting == "half" && n%2 != 0 || setting == "few" && n%16 != 0 || setting == "silent" && round < 2
}

// shifted gives a message as it would be in a later round: other request and trace ids, later.
func shifted(kind byte, b []byte, round int) ([]byte, error) {
	prefix, later := fmt.Sprintf("%02x", round), time.Duration(round)*again
	switch kind {
	case correlation.ALS:
		m := new(als.StreamAccessLogsMessage)
		if err := correlation.Unmarshal(b, m); err != nil {
			return nil, err
		}
		for _, e := range m.GetHttpLogs().GetLogEntry() {
			p := e.CommonProperties
			p.StartTime = timestamppb.New(p.StartTime.AsTime().Add(later))
			e.Request.RequestId = shiftedID(e.Request.RequestId, prefix)
			for key, at := range map[string]int{"traceparent": 3, "x-b3-traceid": 0, "b3": 0} {
				if v := e.Request.RequestHeaders[key]; len(v) > 16 && !strings.Contains(v, strings.Repeat("0", 32)) {
					e.Request.RequestHeaders[key] = v[:at] + prefix + v[at+2:]
				}
			}
			if v := p.CustomTags["tid"]; len(v) > 2 {
				p.CustomTags["tid"] = prefix + v[2:]
			}
		}
		return correlation.Marshal(m)
	case correlation.OTLP:
		m := new(tracepb.TracesData)
		if err := correlation.Unmarshal(b, m); err != nil {
			return nil, err
		}
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					s.TraceId[0] = byte(round)
					s.StartTimeUnixNano += uint64(later)
					s.EndTimeUnixNano += uint64(later)
					for _, a := range s.Attributes {
						if a.Key == "guid:x-request-id" {
							a.Value.Value = text(shiftedID(a.Value.GetStringValue(), prefix))
						}
					}
				}
			}
		}
		return correlation.Marshal(m)
	}
	var list []map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return nil, err
	}
	for _, z := range list {
		at, _ := z["timestamp"].(json.Number).Int64()
		z["timestamp"] = at + later.Microseconds()
		z["traceId"] = prefix + z["traceId"].(string)[2:]
		if tags := z["tags"].(map[string]any); tags["guid:x-request-id"] != nil {
			tags["guid:x-request-id"] = shiftedID(tags["guid:x-request-id"].(string), prefix)
		}
	}
	return json.Marshal(list)
}

func shiftedID(id, prefix string) string {
	if !correlation.IsUUID(id) {
		return id
	}
	return prefix + id[2:]
}
