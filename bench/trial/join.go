package trial

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/alspan/alspan/bench/load"
)

// Join is what became of the halves of requests, by the agent's own metrics.
type Join struct {
	Pairs  uint64             `json:"pairs"` // requests of which both halves were sent
	Items  uint64             `json:"items"` // entries and spans
	Fates  map[string]float64 `json:"fates"` // how many entries and spans had it: "entries joined"
	Memory float64            `json:"memory_displaced"`
}

// Joined gives the part of the pairs that became one span.
func (j *Join) Joined() float64 {
	if j.Pairs == 0 {
		return 0
	}
	return j.Fates["entries joined"] / float64(j.Pairs)
}

// Evicted gives the part of all items that went out alone because memory was needed.
func (j *Join) Evicted() float64 {
	return (j.Fates["entries evicted"] + j.Fates["spans evicted"] + j.Fates["no room"]) / float64(j.Items)
}

func (j *Join) String() string {
	var list []string
	for name, n := range j.Fates {
		if n > 0 {
			list = append(list, fmt.Sprintf("%s %.0f", name, n))
		}
	}
	slices.Sort(list)
	return fmt.Sprintf("%d items, %d pairs, %s, forgotten early %.0f", j.Items, j.Pairs, strings.Join(list, ", "), j.Memory)
}

// fates reads the metrics of a system that has any.
func (b *bench) fates(ctx context.Context) (map[string]float64, error) {
	if b.running.Admin == "" {
		return nil, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.running.Admin+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("cannot ask for metrics: %w", err)
	}
	defer answer.Body.Close()
	m := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		series, label, _ := strings.Cut(strings.TrimSuffix(name, `"}`), `="`)
		switch series {
		case "alspan_join_entries_total{fate":
			m["entries "+label] = v
		case "alspan_join_spans_total{fate":
			m["spans "+label] = v
		case "alspan_spans_dropped_total{reason":
			m["dropped "+label] = v
		case "alspan_join_no_room_total":
			m["no room"] = v
		case "alspan_memory_displaced_total{table":
			m["displaced"] += v
		}
	}
	return m, nil
}

// join gives what happened to halves of requests since.
func (b *bench) join(ctx context.Context, before map[string]float64, sent *load.Report) (*Join, error) {
	now, err := b.fates(ctx)
	if err != nil || now == nil || b.system.Takes != load.Both {
		return nil, err
	}
	for name := range now {
		now[name] -= before[name]
	}
	j := &Join{Pairs: sent.Pairs, Items: sent.Entries, Fates: now, Memory: now["displaced"]}
	delete(now, "displaced")
	return j, nil
}
