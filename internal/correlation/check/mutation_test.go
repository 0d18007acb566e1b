package check_test

import (
	"slices"
	"testing"

	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
)

// Somebody notices when a rule is left out.
func TestEveryRuleIsChecked(t *testing.T) {
	recorded := func(mode, setting string) *correlation.World {
		w, err := worlds.Recorded(mode, setting)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	some := []*correlation.World{recorded("otel-start", "late"), recorded("otel-spawn", "late"), recorded("otel-start", "dup"), recorded("zipkin-spawn-shared", "half")}
	for n := range uint64(150) {
		some = append(some, worlds.Generate(n))
	}
	for rule, notices := range map[string][]string{
		"duplicates":        {check.Lost},
		"start entries":     {check.Parent, check.Upstream},
		"upstream ids":      {check.Upstream},
		"status codes":      {check.Passes},
		"identity of pairs": {check.Identity},
		"waits":             {check.Late},
		"unpaired":          {check.Made},
		"late kinds":        {check.TwoSides},
		"late parents":      {check.Identity, check.Cycle},
		"remembered ids":    {check.Twice},
		"cycles":            {check.Cycle},
		"attempts":          {check.Passes},
		"shared ids":        {check.Twice},
		"followers":         {check.Children},
	} {
		noticed := slices.ContainsFunc(some, func(w *correlation.World) bool {
			return slices.ContainsFunc(judge(t, w, rule), func(v check.Violation) bool { return slices.Contains(notices, v.Rule) })
		})
		if !noticed {
			t.Errorf("without %q: nobody notices %q", rule, notices)
		}
	}
}
