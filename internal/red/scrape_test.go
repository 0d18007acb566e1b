package red

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/testing/protocmp"
)

// filled gives metrics of a hundred label sets and some exemplars.
func filled() *Metrics {
	m := New(Options{Sets: 1000, Requests: true, Graph: true})
	meter, r := m.Meter(), rand.New(rand.NewPCG(3, 4))
	for i := range 1000 {
		q := random(r)
		q.Method, q.Class = "GET", q.Class%2
		meter.Count(&q)
		if i%10 == 0 {
			meter.Exemplar(&q, [16]byte{1, byte(i)}, [8]byte{2, byte(i)}, time.Unix(1e9, int64(i)))
		}
	}
	return m
}

func scrape(t *testing.T, m *Metrics, accept string) io.Reader {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	q := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	q.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, q)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d: %s", accept, w.Code, w.Body)
	}
	return w.Body
}

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

func TestProtobufHasAll(t *testing.T) {
	m := filled()
	want := gather(t, m)
	from := expfmt.NewDecoder(scrape(t, m, protobuf), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		var f dto.MetricFamily
		if err := from.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[f.GetName()], &f, protocmp.Transform()); diff != "" {
			t.Errorf("%s: -want +got\n%s", f.GetName(), diff)
		}
		delete(want, f.GetName())
	}
	if len(want) > 0 {
		t.Errorf("not exposed: %v", want)
	}
}

func TestTextHasAllThatIsClassic(t *testing.T) {
	m := filled()
	want := gather(t, m)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	got, err := parser.TextToMetricFamilies(scrape(t, m, "text/plain"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d families, want %d", len(got), len(want))
	}
	for name, f := range want {
		if diff := cmp.Diff(values(f), values(got[name])); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	for _, f := range got {
		for _, m := range f.Metric {
			checkHistogram(t, m.GetHistogram())
		}
	}
}

func TestLint(t *testing.T) {
	var all []*dto.MetricFamily
	for _, f := range gather(t, filled()) {
		all = append(all, f)
	}
	problems, err := promlint.NewWithMetricFamilies(all).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// checkHistogram checks that the buckets agree with each other and with the number.
func checkHistogram(t *testing.T, h *dto.Histogram) {
	t.Helper()
	last := uint64(0)
	for _, b := range h.GetBucket() {
		if b.GetCumulativeCount() < last || b.GetCumulativeCount() > h.GetSampleCount() {
			t.Fatalf("cumulative buckets are not monotone: %v", h)
		}
		last = b.GetCumulativeCount()
	}
	if h.GetPositiveSpan() == nil {
		return
	}
	native, count := h.GetZeroCount(), int64(0)
	for _, d := range h.GetPositiveDelta() {
		count += d
		native += uint64(count)
	}
	if native != h.GetSampleCount() {
		t.Fatalf("%d in native buckets, %d in all: %v", native, h.GetSampleCount(), h)
	}
}

// Whatever goes on while it is read, a scrape agrees with itself, and nothing ever becomes less.
func TestScrapesWhileOthersCount(t *testing.T) {
	m := New(Options{Sets: 5000, Requests: true, Graph: true})
	var counters, wg sync.WaitGroup
	stop := make(chan struct{})
	for seed := range uint64(4) {
		counters.Go(func() {
			r, meter := rand.New(rand.NewPCG(seed, 2)), m.Meter()
			for range 8000 {
				q := random(r)
				meter.Count(&q)
				meter.Exemplar(&q, [16]byte{1}, [8]byte{1}, time.Now())
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			before := map[string]float64{}
			for last := false; !last; {
				select {
				case <-stop:
					last = true
				default:
				}
				all := gather(t, m)
				requests, failed := values(all["alspan_requests_total"]), values(all["alspan_request_errors_total"])
				if diff := cmp.Diff(requests, values(all["alspan_request_duration_seconds"])); diff != "" {
					t.Errorf("requests and durations differ:\n%s", diff)
				}
				for l, n := range requests {
					if failed[l] > n {
						t.Errorf("%s: %v of %v have failed", l, failed[l], n)
					}
				}
				for name, f := range all {
					for _, m := range f.Metric {
						checkHistogram(t, m.GetHistogram())
						for _, b := range m.GetHistogram().GetBucket() {
							atLeast(t, before, name+labels(m)+le(b), float64(b.GetCumulativeCount()))
						}
					}
					for l, n := range values(f) {
						atLeast(t, before, name+l, n)
					}
				}
			}
		})
	}
	counters.Wait()
	close(stop)
	wg.Wait()
	if n := total(values(gather(t, m)["alspan_requests_total"])); n != 32000 {
		t.Errorf("%v requests", n)
	}
}

func le(b *dto.Bucket) string { return "|le|" + time.Duration(b.GetUpperBound()*1e9).String() }

func atLeast(t *testing.T, before map[string]float64, name string, n float64) {
	t.Helper()
	if n < before[name] {
		t.Errorf("%s has gone from %v to %v", name, before[name], n)
	}
	before[name] = n
}

func TestExemplars(t *testing.T) {
	m := New(Options{Sets: 10, Requests: true})
	meter := m.Meter()
	r := Request{Service: "cart", Duration: 3 * time.Millisecond}
	at := time.Unix(1700000000, 5)
	exemplars := func() []*dto.Exemplar {
		h := gather(t, m)["alspan_request_duration_seconds"].Metric[0].Histogram
		var classic []*dto.Exemplar
		for i, b := range h.Bucket {
			if b.Exemplar != nil {
				if v := b.Exemplar.GetValue(); v > b.GetUpperBound() || i > 0 && v <= h.Bucket[i-1].GetUpperBound() {
					t.Errorf("%v is not in its bucket", b)
				}
				classic = append(classic, b.Exemplar)
			}
		}
		if diff := cmp.Diff(classic, h.Exemplars, protocmp.Transform()); diff != "" {
			t.Errorf("the native exemplars are others: %s", diff)
		}
		return h.Exemplars
	}
	ids := func() (s string) {
		for _, e := range exemplars() {
			s += e.Label[0].GetValue()[:2] + "/" + e.Label[1].GetValue()[:2] + " "
		}
		return strings.TrimSpace(s)
	}
	note := func(id byte, d, after time.Duration) {
		r.Duration = d
		meter.Exemplar(&r, [16]byte{id}, [8]byte{id}, at.Add(after))
	}

	note(9, time.Second, 0) // of a label set that is not known
	meter.Count(&r)
	if got := ids(); got != "" {
		t.Errorf("exemplars %q before there is one", got)
	}
	note(1, 3*time.Millisecond, 0)
	note(2, 3*time.Millisecond+1, time.Second-1) // the first one is fresh
	note(3, -time.Second, 0)
	note(4, time.Hour, 0)
	if got := ids(); got != "03/03 01/01 04/04" {
		t.Errorf("exemplars %q", got)
	}
	note(5, 3*time.Millisecond, time.Second)
	if got := ids(); got != "03/03 05/05 04/04" {
		t.Errorf("exemplars %q after a second", got)
	}
	e := exemplars()[1]
	if e.Label[0].GetName() != "trace_id" || e.Label[1].GetName() != "span_id" || e.Label[0].GetValue() != "05"+strings.Repeat("00", 15) || e.Label[1].GetValue() != "05"+strings.Repeat("00", 7) ||
		e.GetValue() != 0.003 || !e.GetTimestamp().AsTime().Equal(at.Add(time.Second)) {
		t.Errorf("exemplar %v", e)
	}
	text, err := io.ReadAll(scrape(t, m, "application/openmetrics-text;version=1.0.0"))
	if err != nil || !bytes.Contains(text, []byte(`le="+Inf"} 1 # {trace_id="04000000000000000000000000000000",span_id="0400000000000000"} 3600`)) {
		t.Errorf("no exemplar in OpenMetrics: %v\n%s", err, text)
	}
}
