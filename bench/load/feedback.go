package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// gate keeps the number of items that are on their way below a limit, by asking the sink how many have come. An agent that
// drops what it cannot pass on would otherwise be measured at dropping.
type gate struct {
	limit    int64 // 0: always open
	url      string
	sent     atomic.Int64
	received atomic.Int64
}

const (
	askEvery  = 5 * time.Millisecond
	lookEvery = 500 * time.Microsecond
)

// watch asks until ctx is over.
func (g *gate) watch(ctx context.Context, run uint32) {
	url := fmt.Sprintf("http://%s/progress?run=%d", g.url, run)
	for ctx.Err() == nil {
		if n, err := ask(ctx, url); err == nil { // a sink that is gone closes the gate, and the run ends in time
			g.received.Store(n)
		}
		time.Sleep(askEvery)
	}
}

func ask(ctx context.Context, url string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var p struct{ Spans int64 }
	err = json.NewDecoder(answer.Body).Decode(&p)
	return p.Spans, err
}

// pass waits until n items may be sent, or until the time is over.
func (g *gate) pass(n int, until time.Time) {
	if g.limit == 0 {
		return
	}
	for g.sent.Load()-g.received.Load() >= g.limit && time.Now().Before(until) {
		time.Sleep(lookEvery)
	}
	g.sent.Add(int64(n))
}
