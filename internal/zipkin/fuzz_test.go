package zipkin

import (
	"testing"
	"time"
)

// any body must give a request that the official runtime reads, or an error.
func fuzzed(t *testing.T, decode func([]byte, time.Time) (*Decoded, error), body []byte) {
	for range 2 { // what the first leaves behind must not matter
		got, err := decode(body, received)
		if err == nil {
			check(t, got)
		} else if got != nil {
			t.Error("an error and a result")
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, c := range spanTests {
		f.Add([]byte("[{" + c.fields + "}]"))
	}
	for _, body := range recorded(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzed(t, new(Decoder).JSON, body) })
}

func FuzzProto(f *testing.F) {
	for _, c := range spanTests {
		if spans, ok := protobuf([]byte("[{" + c.fields + "}]")); ok {
			f.Add(listOf(spans...))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzed(t, new(Decoder).Proto, body) })
}

// benchmark gives the time for one span of these bodies.
func benchmark(b *testing.B, bodies [][]byte, decode func(*Decoder, []byte, time.Time) (*Decoded, error)) {
	var d Decoder
	spans, size := 0, 0
	for _, body := range bodies {
		got, err := decode(&d, body, received)
		if err != nil {
			b.Fatal(err)
		}
		spans, size = spans+got.Spans, size+len(body)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, body := range bodies {
			if _, err := decode(&d, body, received); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
}
