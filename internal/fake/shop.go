package fake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

// ShopOptions say where the shop's two Envoys log to and how busy the shop is. Only Target is needed.
type ShopOptions struct {
	Target        string            // as EnvoyOptions.Target
	Dial          []grpc.DialOption // as EnvoyOptions.Dial
	FlushInterval time.Duration     // as EnvoyOptions.FlushInterval

	Rate      float64           // requests of customers per second; 0: 10, negative: as many as possible
	Requests  int               // stop after so many; 0: when the context is done
	Seed      uint64            // of the traffic; 0: another one each time
	OnRequest func(ShopRequest) // called for each request after it has been logged; nil: none
}

// shopGrace is how long a shop goes on trying to log after its end.
const shopGrace = 5 * time.Second

// ShopTotals is what a shop logged.
type ShopTotals struct {
	Requests uint64     // of customers
	Entries  uint64     // of both Envoys
	Spans    uint64     // that the entries prove, see ShopRequest.Spans
	Edge     EnvoyStats // of the Envoys
	Mid      EnvoyStats
}

// Shop is a small web shop: customers' requests pass an Envoy "edge" and mostly a second one, "mid", to toy services, and
// both Envoys log as Envoy 1.38 and later do with the OpenTelemetry tracer, start entries and id tags. Requests are
// logged when they have ended. It runs until the context is done or Requests are made, then sends what is left. The
// error is that of a loss.
func Shop(ctx context.Context, o ShopOptions) (ShopTotals, error) {
	if o.Rate == 0 {
		o.Rate = 10
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	edge, err := shopEnvoy(edgePlace(), o)
	if err != nil {
		return ShopTotals{}, err
	}
	mid, err := shopEnvoy(midPlace(), o)
	if err != nil {
		edge.Close(ctx)
		return ShopTotals{}, err
	}
	// A server that does not read could hold an entry back forever.
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(shopGrace, func() { edge.kill(); mid.kill() }) })
	defer stop()
	totals := open(ctx, o, edge, mid)

	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shopGrace)
	defer cancel()
	err = errors.Join(mid.Close(end), edge.Close(end))
	totals.Edge, totals.Mid = edge.Stats(), mid.Stats()
	if lost := totals.Edge.Lost + totals.Mid.Lost; lost > 0 {
		err = errors.Join(err, fmt.Errorf("cannot log everything: %d entries lost", lost))
	}
	return totals, err
}

func shopEnvoy(p place, o ShopOptions) (*Envoy, error) {
	return NewEnvoy(EnvoyOptions{
		Target: o.Target, Dial: o.Dial, FlushInterval: o.FlushInterval,
		Node: Node(p.node, p.cluster), LogName: p.log,
	})
}

// open serves customers until the context is done or all requests are made.
func open(ctx context.Context, o ShopOptions, edge, mid *Envoy) ShopTotals {
	var totals ShopTotals
	traffic := NewTraffic(o.Seed)
	begin := time.Now()
	for n := 0; o.Requests == 0 || n < o.Requests; n++ {
		if o.Rate > 0 {
			due := begin.Add(time.Duration(float64(n) / o.Rate * float64(time.Second)))
			if sleep(ctx, time.Until(due)) != nil {
				break
			}
		} else if ctx.Err() != nil {
			break
		}
		r := traffic.Next(time.Now())
		// The inner Envoy is done first. What cannot be logged is counted by the Envoy.
		for _, e := range r.Mid {
			mid.Log(0, e)
		}
		for _, e := range r.Edge {
			edge.Log(0, e)
		}
		totals.Requests++
		totals.Entries += uint64(len(r.Mid) + len(r.Edge))
		totals.Spans += uint64(r.Spans)
		if o.OnRequest != nil {
			o.OnRequest(r)
		}
	}
	return totals
}
