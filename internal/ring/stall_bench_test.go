package ring

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkStalledConsumer has four producers that offer 100 000 items a second together, in messages of 100, and a consumer
// that takes half of that: how long does handing in one message take? b.N is the number of messages.
func BenchmarkStalledConsumer(b *testing.B) {
	const producers, rate = 4, 100_000
	for _, d := range designs {
		b.Run(d.name, func(b *testing.B) {
			d, delivered := d.make(producers), 0
			var done, work sync.WaitGroup
			slow := make(chan struct{}) // closed when the consumer may take the rest as fast as it likes
			done.Go(func() {
				began := time.Now()
				for d.take(func(items, _ int) { delivered += items }) {
					select {
					case <-slow:
					case <-time.After(time.Until(began.Add(time.Duration(delivered) * 2 * time.Second / rate))):
					}
				}
			})
			times, accepted := make([][]time.Duration, producers), make([]int, producers)
			b.ResetTimer()
			for who := range producers {
				work.Go(func() {
					item, began := make([]byte, benchItem), time.Now()
					for i := who; i < b.N; i += producers {
						time.Sleep(time.Until(began.Add(time.Duration(i) * benchMessage * time.Second / rate)))
						start := time.Now()
						accepted[who] += d.put(who, item, benchMessage)
						times[who] = append(times[who], time.Since(start))
					}
				})
			}
			work.Wait()
			b.StopTimer()
			close(slow)
			d.close()
			done.Wait()
			all, sum := slices.Concat(times...), 0
			for _, n := range accepted {
				sum += n
			}
			if delivered != sum {
				b.Errorf("delivered %d items, want %d", delivered, sum)
			}
			slices.Sort(all)
			for _, q := range []float64{50, 99, 99.9} {
				at := all[min(len(all)-1, int(float64(len(all))*q/100))]
				b.ReportMetric(float64(at.Nanoseconds())/1e3, fmt.Sprintf("p%v-us", q))
			}
			b.ReportMetric(float64(b.N*benchMessage-sum)/float64(b.N*benchMessage), "dropped/item")
		})
	}
}
