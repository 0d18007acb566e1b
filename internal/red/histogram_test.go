package red

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/testing/protocmp"
)

// reference gives the histogram that client_golang makes of durations.
func reference(t *testing.T, durations []time.Duration) *dto.Histogram {
	t.Helper()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "h", Buckets: prometheus.ExponentialBuckets(1./512, 2, 14),
		NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: math.Ldexp(1, -17),
	})
	for _, d := range durations {
		// What is too long for the native buckets is in the one after the last.
		h.Observe(min(max(float64(d)/1e9, 0), 1100))
	}
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Histogram
}

func TestHistogramsAreThoseOfTheClientLibrary(t *testing.T) {
	special := []time.Duration{0, -1, math.MinInt64, 1, 999, time.Microsecond, 7629, 7630, 1953125, 1953124, 1953126, time.Millisecond, time.Second, time.Second + 1,
		16 * time.Second, 16*time.Second + 1, 1024 * time.Second, 1024*time.Second + 1, time.Hour, 1000 * time.Hour, math.MaxInt64}
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 200 {
		var durations []time.Duration
		for range r.IntN(300) {
			d := time.Duration(r.Int64N(1 << (1 + r.IntN(45))))
			switch r.IntN(4) {
			case 0:
				d = special[r.IntN(len(special))]
			case 1: // the end of a bucket, and its neighbours
				d = time.Duration(math.Exp2(float64(r.IntN(220)-137)/8)*1e9) + time.Duration(r.IntN(3)-1)
			}
			durations = append(durations, d)
		}
		if round < len(special) {
			durations = append(durations[:round%3], special[round])
		}
		if len(durations) == 0 {
			continue
		}
		m := New(Options{Sets: 1, Requests: true})
		meter := m.Meter()
		want, sum := reference(t, durations), 0.
		for _, d := range durations {
			meter.Count(&Request{Duration: d})
			sum += float64(max(d, 0)) / 1e9
		}
		got := gather(t, m)["alspan_request_duration_seconds"].Metric[0].Histogram
		if math.Abs(got.GetSampleSum()-math.Mod(sum, math.MaxUint64/1e9)) > sum*1e-9 {
			t.Fatalf("the sum is %v, not %v, of %v", got.GetSampleSum(), sum, durations)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&dto.Histogram{}, "sample_sum", "created_timestamp"), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%v: -want +got\n%s", durations, diff)
		}
	}
}

func TestBucketEndsBelongToTheirBucket(t *testing.T) {
	for n := lowest * perDouble; n <= highest*perDouble; n++ {
		end := time.Duration(math.Exp2(float64(n)/perDouble) * 1e9) // rounded down
		if got := bucket(end); got != n+first {
			t.Errorf("%v is in bucket %d, not %d", end, got, n+first)
		}
		if got := bucket(end + 1); got != n+first+1 {
			t.Errorf("%v is in bucket %d, not %d", end+1, got, n+first+1)
		}
	}
	for i, end := range ends[:numClassic-1] {
		b := bucket(time.Duration(end * 1e9))
		if classic(b) != i || classic(b+1) != i+1 {
			t.Errorf("the bucket that ends at %v is in classic bucket %d, the next one in %d", end, classic(b), classic(b+1))
		}
	}
	if classic(0) != 0 || classic(numBuckets-1) != numClassic-1 {
		t.Error("the outermost buckets are not in the outermost classic ones")
	}
}
