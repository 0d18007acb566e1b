package propagation

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The grammars of the headers once more, as regular expressions: an oracle that shares no code with the parsers.
var (
	traceParentGrammar = regexp.MustCompile(`^[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[^,]*?)?[ \t]*$`)
	b3Grammar          = regexp.MustCompile(`^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-[01d](?:-[^-]+)?)?$`)
	traceIDGrammar     = regexp.MustCompile(`^(?:[0-9a-f]{16}|[0-9a-f]{32})$`)
	spanIDGrammar      = regexp.MustCompile(`^[0-9a-f]{16}$`)
	sampledGrammar     = regexp.MustCompile(`^(?:0|1|true|false)$`)
)

const absent = "absent" // a fuzzed header with this value is not there

func FuzzSet(f *testing.F) {
	tp := "00-" + traceHex + "-" + spanHex + "-01"
	b3 := traceHex + "-" + spanHex + "-1-" + parentHex
	f.Add(tp, b3, traceHex, spanHex, parentHex, "1", "0")
	f.Add(" cc-"+traceHex+"-"+spanHex+"-03-x\t", "0", shortHex, spanHex, "-", "true", "1")
	f.Add(tp+","+tp, shortHex+"-"+spanHex, absent, absent, absent, "0", absent)
	f.Add("00-"+strings.ToUpper(traceHex)+"-"+spanHex+"-01", b3+"-", zeroTrace, spanHex, absent, "", "")
	f.Add(tp+"-"+tp, b3+"-0", traceHex, absent, absent, absent, absent)
	f.Add("ff-"+traceHex+"-"+spanHex+"-01", traceHex+"-"+spanHex+"-"+parentHex, traceHex+",1", zeroSpan, spanHex, "x", "1")
	f.Fuzz(func(t *testing.T, tp, b3, trace, span, parent, sampled, flags string) {
		var headers []string
		for i, value := range []string{tp, b3, trace, span, parent, sampled, flags} {
			if value != absent {
				key := []string{"traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"}[i]
				headers = append(headers, key, value)
			}
		}
		s := newSet(headers...)
		for f := range NumFormats {
			ctx, ok := s.Get(f)
			if ok != (s.Reason(f) == Valid) || s.Reason(f) >= NumReasons {
				t.Fatalf("%s: Get gives %v with reason %s", f, ok, s.Reason(f))
			}
			if ok && (ctx.Trace.IsZero() || ctx.Span.IsZero() || ctx.Parent == ctx.Span || ctx.Flags&^3 != 0) {
				t.Fatalf("%s: valid context %+v", f, ctx)
			}
			if again := newSet(written(f, ctx)...); ok {
				if got, ok := again.Get(f); !ok || *got != *ctx {
					t.Fatalf("%s: %+v written as %q reads as %+v (%s)", f, ctx, written(f, ctx), got, again.Reason(f))
				}
			}
		}

		m := traceParentGrammar.FindStringSubmatch(tp)
		usable := m != nil && m[1] != "ff" && (m[1] != "00" || m[4] == "") && notZero(m[2]) && notZero(m[3])
		if _, ok := s.Get(TraceParent); ok != (tp != absent && usable) {
			t.Errorf("traceparent %q: valid is %v (%s)", tp, ok, s.Reason(TraceParent))
		}
		m = b3Grammar.FindStringSubmatch(head(b3))
		usable = m != nil && notZero(m[1]) && notZero(m[2])
		if _, ok := s.Get(B3Single); ok != (b3 != absent && usable) {
			t.Errorf("b3 %q: valid is %v (%s)", b3, ok, s.Reason(B3Single))
		}
		usable = traceIDGrammar.MatchString(head(trace)) && notZero(head(trace)) && spanIDGrammar.MatchString(head(span)) && notZero(head(span)) &&
			(sampled == absent || sampledGrammar.MatchString(head(sampled)) || head(flags) == "1")
		if _, ok := s.Get(B3Multi); ok != usable {
			t.Errorf("x-b3 %q: valid is %v (%s)", headers, ok, s.Reason(B3Multi))
		}
		if denied := head(b3) == "0"; denied != s.Denied(B3Single) {
			t.Errorf("b3 %q: Denied is %v", b3, s.Denied(B3Single))
		}
		denied := trace == absent && span == absent && (head(sampled) == "0" || head(sampled) == "false") && head(flags) != "1"
		if denied != s.Denied(B3Multi) {
			t.Errorf("x-b3 %q: Denied is %v", headers, s.Denied(B3Multi))
		}
	})
}

func head(value string) string {
	first, _, _ := strings.Cut(value, ",")
	return strings.Trim(first, " \t")
}

func notZero(digits string) bool { return strings.Trim(digits, "0") != "" }

// written gives the headers of ctx in format f, nothing for nil.
func written(f Format, ctx *Context) []string {
	if ctx == nil {
		return nil
	}
	state := map[Decision]string{NotSampled: "0", Sampled: "1", Debug: "d"}[ctx.Decision]
	switch f {
	case TraceParent:
		return []string{"traceparent", "00-" + ctx.Trace.String() + "-" + ctx.Span.String() + "-0" + string('0'+rune(ctx.Flags))}
	case B3Single:
		value := ctx.Trace.String() + "-" + ctx.Span.String()
		if state != "" {
			value += "-" + state
		}
		if !ctx.Parent.IsZero() {
			value += "-" + ctx.Parent.String()
		}
		return []string{"b3", value}
	case B3Multi:
	default:
		return writtenElsewhere(f, ctx)
	}
	headers := []string{"x-b3-traceid", ctx.Trace.String(), "x-b3-spanid", ctx.Span.String()}
	if !ctx.Parent.IsZero() {
		headers = append(headers, "x-b3-parentspanid", ctx.Parent.String())
	}
	switch state {
	case "d":
		headers = append(headers, "x-b3-flags", "1")
	case "0", "1":
		headers = append(headers, "x-b3-sampled", state)
	}
	return headers
}

var (
	memberGrammar = regexp.MustCompile(`^([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$`)
	otGrammar     = regexp.MustCompile(`^[a-z][a-z0-9]*:[A-Za-z0-9._\-]*(?:;[a-z][a-z0-9]*:[A-Za-z0-9._\-]*)*$`)
	hintGrammar   = regexp.MustCompile(`^(?:th:[0-9a-f]{1,14}|rv:[0-9a-f]{14})$`)
)

func FuzzTraceState(f *testing.F) {
	for _, value := range []string{"", "foo=1,bar=2", " foo=1\t,, bar= 2 ,foo=3", "ot=th:8;rv:0123456789abcd,a@b=c", "ot=th:x,a=1", "FOO=1", "a=\xff", numbered(33),
		"a=" + strings.Repeat("v", 255) + ",b=" + strings.Repeat("v", 255) + ",c=1", strings.Repeat("k", 256) + "=" + strings.Repeat("v", 256)} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		input := bytes.Clone(value)
		got, loss := FilterTraceState([]byte("before"), value)
		if !bytes.Equal(input, value) {
			t.Fatal("the input was changed")
		}
		out, found := strings.CutPrefix(string(got), "before")
		if !found {
			t.Fatalf("%q: what stood in dst is gone: %q", value, got)
		}
		checkForwarded(t, out)
		if again, loss := FilterTraceState(nil, []byte(out)); string(again) != out || loss != (TraceStateLoss{}) {
			t.Fatalf("%q became %q, and that %q with %+v", value, out, again, loss)
		}
		// Nothing is lost in silence, nothing is invented, and the order stays.
		var in []string
		malformed := false
		for member := range strings.SplitSeq(string(value), ",") {
			if member = strings.Trim(member, " \t"); member != "" {
				in = append(in, member)
				malformed = malformed || !memberGrammar.MatchString(member)
			}
		}
		if malformed = malformed || len(in) > 32; malformed != loss.Malformed || malformed && out != "" {
			t.Fatalf("%q: malformed is %v, got %+v and %q", value, malformed, loss, out)
		}
		if malformed {
			return
		}
		kept := members(out)
		lost := loss.Duplicates + loss.Cut
		if loss.BadOT {
			lost++
		}
		if len(kept)+lost != len(in) {
			t.Fatalf("%q: %d members, %d in %q, lost %+v", value, len(in), len(kept), out, loss)
		}
		for _, member := range in {
			if len(kept) > 0 && kept[0] == member {
				kept = kept[1:]
			}
		}
		if len(kept) > 0 {
			t.Fatalf("%q became %q: %q is not there in this order", value, out, kept)
		}
	})
}

// checkForwarded is the strict reader on the next hop.
func checkForwarded(t *testing.T, out string) {
	t.Helper()
	list := members(out)
	if len(list) > 32 || len(out) > 512 && len(list) > 1 {
		t.Fatalf("%d members of %d characters", len(list), len(out))
	}
	var keys []string
	for _, member := range list {
		m := memberGrammar.FindStringSubmatch(member)
		if m == nil || slices.Contains(keys, m[1]) {
			t.Fatalf("%q: member %q", out, member)
		}
		if keys = append(keys, m[1]); m[1] != "ot" {
			continue
		}
		if !otGrammar.MatchString(m[2]) {
			t.Fatalf("%q: ot %q", out, m[2])
		}
		for hint := range strings.SplitSeq(m[2], ";") {
			if (strings.HasPrefix(hint, "th:") || strings.HasPrefix(hint, "rv:")) && !hintGrammar.MatchString(hint) {
				t.Fatalf("%q: hint %q", out, hint)
			}
		}
	}
}

func members(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
