package worlds

import (
	"bytes"
	"testing"

	"github.com/alspan/alspan/internal/correlation"
)

func TestAWorldIsTheSameEachTime(t *testing.T) {
	for n := range uint64(20) {
		a, b := Generate(n), Generate(n)
		if len(a.Events) != len(b.Events) {
			t.Fatalf("world %d: %d events, then %d", n, len(a.Events), len(b.Events))
		}
		for i, x := range a.Events {
			y := b.Events[i]
			if x.At != y.At || x.Kind != y.Kind || x.Stream != y.Stream || !bytes.Equal(x.Bytes, y.Bytes) || i > 0 && x.At < a.Events[i-1].At {
				t.Fatalf("world %d: event %d is another one, or before its time", n, i)
			}
		}
	}
}

// Among the worlds is everything that they are for.
func TestWorldsHaveItAll(t *testing.T) {
	seen := map[string]int{}
	for n := range uint64(150) {
		w := Generate(n)
		records, err := w.Records()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			for _, e := range r.Entries {
				seen["entry"]++
				if p := w.Truth.Entries[e.Key()]; e.Makes() && p == nil {
					t.Fatalf("world %d: of %v nothing is known", n, e.Key())
				}
				for what, is := range map[string]bool{
					"start": e.Type == correlation.TypeStart, "attempt": e.Type == correlation.TypeUp, "websocket": e.Code == 101, "redirect": e.Code == 302,
					"no request id": e.RequestID == "", "odd request id": bytes.ContainsRune([]byte(e.RequestID), '!'), "no headers": len(e.Headers) == 0,
					"tags": e.Tags["sid"] != "", "outbound": e.Outbound(), "B3 in one": e.Headers["b3"] != "", "local": e.Type == correlation.TypeEnd && !e.Up,
				} {
					if is {
						seen[what]++
					}
				}
			}
			for _, s := range r.Spans {
				seen[s.Format+" "+s.Kind.String()]++
				if s.Shared {
					seen["shared"]++
				}
			}
		}
	}
	for _, what := range []string{"start", "attempt", "websocket", "redirect", "no request id", "odd request id", "no headers", "tags", "outbound", "B3 in one", "local",
		"w3c SPAN_KIND_SERVER", "w3c SPAN_KIND_CLIENT", "w3c SPAN_KIND_INTERNAL", "b3 SPAN_KIND_SERVER", "b3 SPAN_KIND_CLIENT", "shared"} {
		if seen[what] < 20 {
			t.Errorf("%s: %d times", what, seen[what])
		}
	}
}

func TestRecordedWorlds(t *testing.T) {
	both, err := Recorded("otel-spawn", "both")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Recorded("otel-spawn", "again")
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Events) != 10*len(both.Events) || len(again.Truth.Spans) < 9*len(both.Truth.Spans) || len(both.Truth.Spans) < 30 {
		t.Errorf("%d events and %d proxy spans of passes, then %d and %d", len(both.Events), len(both.Truth.Spans), len(again.Events), len(again.Truth.Spans))
	}
	if _, err := Recorded("nothing", "both"); err == nil {
		t.Error("an unknown mode is a world")
	}
}
