package agent

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"github.com/alspan/alspan/internal/zipkin"
)

// live feeds a world to a pipeline, at the times at which its messages arrive, and gives what came out.
func live(t *testing.T, w *correlation.World, change func(*config.Config)) []check.Out {
	return lived(t, w, change).batches
}

// lived is live for those who look at the pipeline afterwards.
func lived(t *testing.T, w *correlation.World, change func(*config.Config)) (r *rig) {
	synctest.Test(t, func(t *testing.T) {
		r = newRig(t, change)
		r.running.Go(func() { r.p.govern(r.parted) })
		var decode zipkin.Decoder
		for _, e := range w.Events {
			r.after(time.Until(r.began.Add(e.At)))
			switch e.Kind {
			case correlation.ALS:
				r.logs(e.Stream, e.Bytes)
			case correlation.OTLP:
				r.request(e.Bytes)
			case correlation.Zipkin:
				d, err := decode.JSON(e.Bytes, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				r.request(d.Request, d.Marks...)
			}
			r.after(0)
		}
		r.after(time.Minute)
		r.end()
	})
	return r
}

var judge = check.Checker{Slack: 20 * time.Millisecond}

// What real Envoys sent, with delays, losses, copies and late halves, breaks no rule.
func TestRecordedWorlds(t *testing.T) {
	for _, mode := range []string{"none", "otel", "otel-spawn", "otel-start", "otel-tags", "zipkin-shared", "zipkin-spawn-shared"} {
		for _, setting := range worlds.Settings() {
			t.Run(mode+"/"+setting, func(t *testing.T) {
				w, err := worlds.Recorded(mode, setting)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range judge.Run(w, live(t, w, nil)) {
					t.Error(v)
				}
			})
		}
	}
}

var manyWorlds = flag.Int("worlds", 600, "how many random worlds to live through")

// Nor does what nobody has recorded.
func TestRandomWorlds(t *testing.T) {
	for n := range uint64(*manyWorlds) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := worlds.Generate(n)
			for _, v := range judge.Run(w, live(t, w, nil)) {
				t.Error(v)
			}
		})
	}
}
