package parity

import (
	"testing"

	"go.opentelemetry.io/collector/confmap"
)

// outcome is what becomes of all spans of the corpus.
type outcome struct {
	effect effect
	err    error // why the configuration or the request was refused
	left   []*left
}

// collectorLeaves gives what the collector leaves with the configuration in text.
func collectorLeaves(t *testing.T, text string) outcome {
	t.Helper()
	conf, err := resolve(t.Context(), text)
	if err != nil {
		return outcome{effect: refused, err: err}
	}
	return leaves(t, conf)
}

// leaves is collectorLeaves of a configuration that was read. If the collector refuses the request because of some spans,
// left has what it leaves of requests of one span each.
func leaves(t *testing.T, conf *confmap.Conf) outcome {
	t.Helper()
	c, err := newCollector(t.Context(), conf)
	if err != nil {
		return outcome{effect: refused, err: err}
	}
	out, err := c.run(t.Context(), request)
	if err == nil {
		return judged(t, out)
	}
	o := outcome{effect: fails, err: err}
	for _, r := range requests(t) {
		if out, err := c.run(t.Context(), r); err == nil {
			o.left = append(o.left, flatten(t, out)...)
		}
	}
	return o
}

// alspanLeaves gives what an agent leaves with the configuration in text.
func alspanLeaves(t *testing.T, text string) outcome {
	t.Helper()
	a, err := startAgent(text)
	if err != nil {
		return outcome{effect: refused, err: err}
	}
	out, err := a.run(request)
	if err != nil {
		t.Fatal(err)
	}
	return judged(t, out)
}

// judged tells what became of the spans if those in the request out are left.
func judged(t *testing.T, out []byte) outcome {
	t.Helper()
	o := outcome{left: flatten(t, out)}
	switch {
	case len(o.left) == 0:
		o.effect = nothing
	case difference(flatten(t, request), o.left) == "":
		o.effect = same
	}
	return o
}
