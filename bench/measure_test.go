package bench

import (
	"testing"
	"time"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/red"
	"github.com/alspan/alspan/spanbuilder"
)

// BenchmarkMeasure is what metrics of requests cost for one entry: what they say of it, and counting that.
func BenchmarkMeasure(b *testing.B) {
	views, logger := logged(b)
	for _, c := range []struct {
		name  string
		index *pods.Index
	}{{"off", nil}, {"50000", cluster(views)}} {
		o := builderOptions(false)
		o.Pods = c.index
		builder := spanbuilder.New(o)
		var m spanbuilder.Measures
		b.Run("step=measure/pods="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				builder.Measure(&m, &views[i%len(views)], logger, "edge")
			}
		})
		for _, f := range []struct {
			name  string
			which red.Options
		}{{"requests", red.Options{Requests: true}}, {"graph", red.Options{Graph: true}}, {"both", red.Options{Requests: true, Graph: true}}} {
			f.which.Sets = 2000
			meter := red.New(f.which).Meter()
			b.Run("step=count-"+f.name+"/pods="+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					for _, r := range builder.Measure(&m, &views[i%len(views)], logger, "edge") {
						meter.Count(&r)
					}
				}
			})
		}
		meter := red.New(red.Options{Sets: 2000, Requests: true}).Meter()
		for _, r := range builder.Measure(&m, &views[0], logger, "edge") {
			meter.Count(&r)
		}
		b.Run("step=exemplar/pods="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range builder.Measure(&m, &views[0], logger, "edge") {
					meter.Exemplar(&r, [16]byte{1}, [8]byte{1}, time.Now())
				}
			}
		})
	}
}
