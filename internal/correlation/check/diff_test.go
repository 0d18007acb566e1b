package check_test

import (
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
)

func TestDiff(t *testing.T) {
	w, err := worlds.Recorded("otel-start", "half")
	if err != nil {
		t.Fatal(err)
	}
	results := func(without string) []check.Out {
		r, _, err := correlation.Broken(w, without)
		if err != nil {
			t.Fatal(err)
		}
		return check.Render(r)
	}
	want := results("")
	// Derived ids are the same wherever they stand, so that other ones make no difference.
	other := map[string]string{}
	made := 0
	r, _, _ := correlation.Broken(w, "")
	for _, x := range r {
		if x.Derived {
			other[x.ID] = strings.Repeat("d", 12) + x.ID[:4]
			made++
		}
	}
	for i := range r {
		for from, to := range other {
			if r[i].ID == from {
				r[i].ID = to
			}
			if r[i].Parent == from {
				r[i].Parent = to
			}
		}
	}
	if d := check.Diff(w, want, check.Render(r)); len(d) > 0 || made == 0 {
		t.Errorf("%d derived ids; with other ones:\n%s", made, strings.Join(d, "\n"))
	}
	if d := check.Diff(w, want, results("unpaired")); len(d) == 0 {
		t.Error("a rule that is left out makes no difference")
	}
	if d := check.Diff(w, want, want[1:]); len(d) != 1 || d[0][0] != '-' {
		t.Errorf("one span is missing: %q", d)
	}
}
