package accesslog

import (
	"testing"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/tail"
	"github.com/alspan/alspan/internal/wire"
)

// What it takes to make entries of what a real Envoy has logged, and to walk them, by form.
func BenchmarkForms(b *testing.B) {
	fields, err := NewFields(nil, "trace_id", "span_id")
	if err != nil {
		b.Fatal(err)
	}
	var e wire.Entry
	walk := func(m *Message) {
		for m.Next(&e) != End {
		}
	}
	frames, err := recordings.Frames("otel-logs")
	if err != nil {
		b.Fatal(err)
	}
	texts, err := recordings.Lines("edge")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("form=lines", func(b *testing.B) {
		l, size := NewLines(fields), 0
		var lines []tail.Line
		for i, text := range texts {
			lines, size = append(lines, tail.Line{Bytes: text, Offset: int64(i)}), size+len(text)
		}
		b.SetBytes(int64(size / len(lines)))
		b.ReportAllocs()
		for n := 0; n < b.N; n += len(lines) {
			l.Messages(Identifier{}, 1, lines, walk)
		}
	})
	for kind, form := range map[byte]string{recordings.KindLogs: "records", recordings.KindALS: "als"} {
		b.Run("form="+form, func(b *testing.B) {
			r := NewRecords(fields)
			size, entries := 0, 0
			pass := func(consume Consumer) {
				for i := range frames {
					switch {
					case frames[i].Kind != kind:
					case kind == recordings.KindLogs:
						r.Split(frames[i].Bytes)
						r.Entries(consume)
					default:
						m := NewMessage(frames[i].Bytes)
						consume(&m)
					}
				}
			}
			pass(func(m *Message) {
				for m.Next(&e) != End {
					entries, size = entries+1, size+len(e.Input())
				}
			})
			b.SetBytes(int64(size / entries))
			b.ReportAllocs()
			for n := 0; n < b.N; n += entries {
				pass(walk)
			}
		})
	}
}
