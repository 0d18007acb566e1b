package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkFollow reads a file of 32 MiB from its start, with its positions saved.
func BenchmarkFollow(b *testing.B) {
	dir := b.TempDir()
	line := stamp + "stdout F " + strings.Repeat("x", 180) + "\n"
	text := strings.Repeat(line, 32<<20/len(line))
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	o := Options{Paths: []string{filepath.Join(dir, "*.log")}, Positions: filepath.Join(dir, "positions.json")}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := os.WriteFile(o.Positions, []byte(`{"version":1}`), 0o600); err != nil {
			b.Fatal(err)
		}
		lines := 0
		t, err := Open(o, func(batch *Batch) { lines += len(batch.Lines) })
		if err != nil {
			b.Fatal(err)
		}
		t.look()
		for more := true; more; {
			more = t.pass()
		}
		if t.close(); lines != len(text)/len(line) {
			b.Fatalf("%d lines", lines)
		}
	}
}
