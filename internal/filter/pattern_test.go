package filter

import (
	"regexp"
	"testing"
)

// Whatever is looked for in place of an expression, the answer is the expression's.
func TestPatterns(t *testing.T) {
	texts := []string{"", "a", "b", "grafana/web/80", "xgrafana/x", "grafana", "https://grafana.example", "kube-probe/1.33", "Knative-Ingress-Probe", "Knative-Activator-Probe", "x\ngrafana/", "grafana/\n", "/livez",
		"/livez/", "/readyz", "\xff", "ä", "aä", "abc", "ABC", "a.c", "Ka", "K"}
	for _, c := range []struct {
		pattern string
		how     place
	}{
		{"grafana/.*", anywhere}, {".*grafana", anywhere}, {"^grafana/", atBegin}, {"grafana$", atEnd}, {"^/livez$", entire}, {"^(/livez|/readyz)$", entire}, {"https://grafana.*", anywhere},
		{probeAgents, atBegin}, {healthPaths, entire}, {"", anywhere}, {"^", atBegin}, {"^$", entire}, {".*", anywhere}, {"a|b", anywhere}, {"[abc]$", atEnd}, {"^.*grafana", byExpression}, {"grafana.*$", byExpression},
		{"(?i)abc", byExpression}, {"a.c", byExpression}, {"a\\.c", anywhere}, {"^a|b$", byExpression}, {"[^a]", byExpression}, {"(?m)^grafana", byExpression}, {"(?s).*grafana/.*", anywhere}, {"ab?c", byExpression},
		{"\\bgrafana", byExpression}, {"ä", anywhere}, {"a{2}", anywhere}, {"a{2,3}", byExpression},
	} {
		re := regexp.MustCompile(c.pattern)
		p := newPattern(re)
		if p.how != c.how {
			t.Errorf("%q is looked for by %d, want %d: %q", c.pattern, p.how, c.how, p.texts)
		}
		for _, text := range texts {
			if got := p.matches([]byte(text)); got != re.MatchString(text) {
				t.Errorf("%q in %q: %t", c.pattern, text, got)
			}
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{probeAgents, healthPaths, "grafana/.*", "^a(b|c)d$", "(?s).*x", "[a-c]+", "a\\z", "\\Aa", "^(?:a|)$", "(?i:k)"} {
		f.Add(pattern, "grafana/a")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 200 {
			return
		}
		if got := newPattern(re).matches([]byte(text)); got != re.MatchString(text) {
			t.Errorf("%q in %q: %t", pattern, text, got)
		}
	})
}
