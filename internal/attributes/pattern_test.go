package attributes

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

var patterns = []struct {
	expr    string
	least   int
	literal string
	text    string
}{
	{`4[0-9]{12}(?:[0-9]{3})?`, 13, "4", "4012888888881"},
	{`[a-z]+@[a-z.]+\.(com|org)`, 7, "@", "a@b.org"},
	{`(?i)Bearer [a-z]+`, 8, "", "bEARER x"},
	{`(?i)K+1{2}`, 3, "", "k11"},
	{`(abc)?x+(yz){2,3}`, 5, "yz", "xyzyz"},
	{`a*|b`, 0, "", ""},
	{`abc|ab`, 2, "ab", "ab"},
	{`^$`, 0, "", ""},
	{`ü.\b`, 2, "ü", "üx"},
	{`\bsecret\b|token`, 5, "", "token"},
}

func TestNeeds(t *testing.T) {
	for _, c := range patterns {
		p := newPattern(regexp.MustCompile(c.expr))
		if p.least != c.least || string(p.literal) != c.literal || !p.matches([]byte(c.text)) {
			t.Errorf("%s needs %d bytes and %q, want %d and %q; it matches %q: %v", c.expr, p.least, p.literal, c.least, c.literal, c.text, p.matches([]byte(c.text)))
		}
	}
}

// FuzzPattern: what a match needs never hides one.
func FuzzPattern(f *testing.F) {
	for _, c := range patterns {
		f.Add(c.expr, c.text)
		f.Add(c.expr, "x"+c.text+"y")
		f.Add(c.expr, "")
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		re, err := regexp.Compile(expr)
		if err != nil || !utf8.ValidString(text) { // as texts are that come here
			return
		}
		if p := newPattern(re); p.matches([]byte(text)) != re.MatchString(text) {
			t.Fatalf("%q needs %d bytes and %q: that hides its match in %q", expr, p.least, p.literal, text)
		}
	})
}
