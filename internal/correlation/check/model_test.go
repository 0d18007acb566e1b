package check_test

import (
	"flag"
	"testing"

	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"github.com/alspan/alspan/internal/recordings"
)

var (
	howMany = flag.Uint64("worlds", 2000, "how many worlds are made")
	from    = flag.Uint64("from", 0, "the first of them")
)

// judge gives what is wrong with the model's own spans, with a rule left out or with none ("").
func judge(t *testing.T, w *correlation.World, without string) []check.Violation {
	t.Helper()
	results, _, err := correlation.Broken(w, without)
	if err != nil {
		t.Fatal(err)
	}
	return check.Run(w, check.Render(results))
}

// The rules hold for everything that real Envoys sent, whatever becomes of it on its way.
func TestModelOverRecordings(t *testing.T) {
	for _, mode := range recordings.Modes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			for _, setting := range worlds.Settings() {
				w, err := worlds.Recorded(mode, setting)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range judge(t, w, "") {
					t.Errorf("%s: %v", w.Name, v)
				}
			}
		})
	}
}

// The rules hold in worlds that nobody has recorded.
func TestModelOverWorlds(t *testing.T) {
	for part := range uint64(4) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for n := *from + part; n < *from+*howMany; n += 4 {
				w := worlds.Generate(n)
				for _, v := range judge(t, w, "") {
					t.Errorf("%s: %v", w.Name, v)
				}
			}
		})
	}
}
