package main

import (
	"errors"
	"strings"
	"testing"
)

const whole = `
	assertion violations	+
State-vector 92 byte, depth reached 180, errors: 0
 1.5e+06 states, stored
  145.1	total actual memory usage
`

func TestReportsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		says, fault string
		fails       bool
	}{
		"whole":     {says: whole},
		"fault":     {says: "pan:1: assertion violated (wake) (at depth 9)\nWarning: Search not completed\nerrors: 1\n 7 states, stored", fault: "assertion violated (wake)"},
		"deep":      {says: "error: max search depth too small\n" + whole, fails: true},
		"memory":    {says: "pan: reached -DMEMLIM bound\nWarning: Search not completed\n" + whole, fails: true},
		"unnamed":   {says: "errors: 1\n 7 states, stored", fails: true},
		"no report": {says: "Segmentation fault", fails: true},
	} {
		var r result
		if err := r.read(c.says); err != nil != c.fails || r.fault != c.fault {
			t.Errorf("%s: got fault %q, error %v", name, r.fault, err)
		}
		if name == "whole" && (r.states != 1500000 || r.megabytes != 145) {
			t.Errorf("got %d states, %d MB", r.states, r.megabytes)
		}
	}
}

func TestVerdicts(t *testing.T) {
	right, mutant := config{defines: "CHUNKS=2"}, config{"CHUNKS=2", "NO_AWAKEN", "nobody wakes"}
	for _, c := range []struct {
		conf config
		r    result
		err  error
		want string
		ok   bool
	}{
		{right, result{}, nil, "holds", true},
		{right, result{fault: "f", trace: "step"}, nil, "FAILS: f\n\tstep", false},
		{right, result{}, errors.New("no compiler"), "NOT CHECKED: no compiler", false},
		{mutant, result{fault: "f"}, nil, "caught: f", true},
		{mutant, result{}, nil, "PASSES, although nobody wakes", false},
		{mutant, result{}, errors.New("no compiler"), "NOT CHECKED: no compiler", false},
	} {
		if got, ok := judge(c.conf, c.r, c.err); got != c.want || ok != c.ok {
			t.Errorf("got %q, %v; want %q, %v", got, ok, c.want, c.ok)
		}
	}
}

func TestFaultsAreInTheModel(t *testing.T) {
	for _, c := range faults {
		found := false
		for _, name := range []string{"core.pml", "producer.pml", "sender.pml"} {
			text, err := sources.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "def M_"+c.fault+"\n")
		}
		if !found {
			t.Errorf("the model has no fault %s", c.fault)
		}
	}
}

func TestMissingCompilerIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := compiler(); err == nil || !strings.Contains(err.Error(), "Debian the package gcc") {
		t.Errorf("got error %v, want one that says what to install", err)
	}
}
