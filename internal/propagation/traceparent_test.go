package propagation

import (
	"strings"
	"testing"
)

func TestTraceParent(t *testing.T) {
	const ids = traceHex + "-" + spanHex
	tests := []struct {
		name, value string
		reason      Reason
		decision    Decision
		flags       byte
	}{
		{"Envoy, sampled", "00-" + ids + "-01", Valid, Sampled, 1},
		{"Envoy, not sampled", "00-" + ids + "-00", Valid, NotSampled, 0},
		{"random", "00-" + ids + "-02", Valid, NotSampled, 2},
		{"sampled and random", "00-" + ids + "-03", Valid, Sampled, 3},
		{"unknown bits are masked", "00-" + ids + "-ff", Valid, Sampled, 3},
		{"unknown bits alone", "00-" + ids + "-fc", Valid, NotSampled, 0},
		{"unknown bits and sampled", "00-" + ids + "-09", Valid, Sampled, 1},

		{"leading space", " 00-" + ids + "-01", Valid, Sampled, 1},
		{"leading tab", "\t00-" + ids + "-01", Valid, Sampled, 1},
		{"trailing space", "00-" + ids + "-01 ", Valid, Sampled, 1},
		{"trailing tab", "00-" + ids + "-01\t", Valid, Sampled, 1},
		{"all around", "\t 00-" + ids + "-01 \t", Valid, Sampled, 1},
		{"other white space", "\n00-" + ids + "-01", BadVersion, 0, 0},
		{"trailing NUL", "00-" + ids + "-01\x00", BadLength, 0, 0},

		{"version ff", "ff-" + ids + "-01", BadVersion, 0, 0},
		{"version ff, more", "ff-" + ids + "-01-more", BadVersion, 0, 0},
		{"version FF", "FF-" + ids + "-01", BadVersion, 0, 0},
		{"version in upper case", "0A-" + ids + "-01", BadVersion, 0, 0},
		{"version not hex", ".0-" + ids + "-01", BadVersion, 0, 0},
		{"version not hex, second", "0.-" + ids + "-01", BadVersion, 0, 0},
		{"version too short", "0-" + ids + "-01", BadVersion, 0, 0},
		{"version too long", "000-" + ids + "-01", BadVersion, 0, 0},
		{"no version", "-" + ids + "-01", BadVersion, 0, 0},

		{"00 with a dot", "00-" + ids + "-01.", BadLength, 0, 0},
		{"00 with a dash", "00-" + ids + "-01-", BadLength, 0, 0},
		{"00 with an extra field", "00-" + ids + "-01-extra", BadLength, 0, 0},
		{"01 as 00", "01-" + ids + "-01", Valid, Sampled, 1},
		{"fe", "fe-" + ids + "-03", Valid, Sampled, 3},
		{"future, extra field", "cc-" + ids + "-01-what-the-future-will-be-like", Valid, Sampled, 1},
		{"future, empty extra field", "cc-" + ids + "-00-", Valid, NotSampled, 0},
		{"future, extra field and space", "cc-" + ids + "-01-x ", Valid, Sampled, 1},
		{"future, no dash", "cc-" + ids + "-01.what-the-future-will-not-be-like", BadLayout, 0, 0},
		{"future, longer flags", "cc-" + ids + "-011", BadLayout, 0, 0},
		{"future, too short", "cc-" + ids + "-1", BadLength, 0, 0},
		{"future, upper case", "cc-" + strings.ToUpper(traceHex) + "-" + spanHex + "-01-x", BadHex, 0, 0},

		{"empty", "", BadLength, 0, 0},
		{"white space", " \t ", BadLength, 0, 0},
		{"two characters", "00", BadLength, 0, 0},
		{"version alone", "00-", BadLength, 0, 0},
		{"no flags", "00-" + ids, BadLength, 0, 0},
		{"no flags, dash", "00-" + ids + "-", BadLength, 0, 0},
		{"flags too short", "00-" + ids + "-1", BadLength, 0, 0},
		{"flags too long", "00-" + ids + "-001", BadLength, 0, 0},
		{"trace id too short", "00-" + traceHex[1:] + "-" + spanHex + "-01", BadLength, 0, 0},
		{"trace id of 64 bits", "00-" + shortHex + "-" + spanHex + "-01", BadLength, 0, 0},
		{"trace id too long", "00-0" + traceHex + "-" + spanHex + "-01", BadLength, 0, 0},
		{"span id too short", "00-" + traceHex + "-" + spanHex[1:] + "-01", BadLength, 0, 0},
		{"digits on the wrong side", "00-" + traceHex[1:] + "-" + spanHex + "0-01", BadLayout, 0, 0},
		{"span id too long, flags too short", "00-" + ids + "0-1", BadLayout, 0, 0},
		{"no dashes", "00-" + traceHex + "0" + spanHex + "001", BadLayout, 0, 0},

		{"trace id in upper case", "00-" + strings.ToUpper(traceHex) + "-" + spanHex + "-01", BadHex, 0, 0},
		{"span id in upper case", "00-" + traceHex + "-" + strings.ToUpper(spanHex) + "-01", BadHex, 0, 0},
		{"trace id not hex", "00-." + traceHex[1:] + "-" + spanHex + "-01", BadHex, 0, 0},
		{"span id not hex", "00-" + traceHex + "-" + spanHex[:15] + ".-01", BadHex, 0, 0},
		{"not UTF-8", "00-\xff" + traceHex[1:] + "-" + spanHex + "-01", BadHex, 0, 0},
		{"flags not hex", "00-" + ids + "-.0", BadFlags, 0, 0},
		{"flags not hex, second", "00-" + ids + "-0.", BadFlags, 0, 0},
		{"flags in upper case", "00-" + ids + "-0A", BadFlags, 0, 0},
		{"trace id zero", "00-" + zeroTrace + "-" + spanHex + "-01", ZeroID, 0, 0},
		{"span id zero", "00-" + traceHex + "-" + zeroSpan + "-01", ZeroID, 0, 0},

		{"two headers", "00-" + ids + "-01,00-" + ids + "-01", Duplicate, 0, 0},
		{"two headers, a space", "00-" + ids + "-01, 00-" + traceHex + "-" + parentHex + "-00", Duplicate, 0, 0},
		{"second header empty", "00-" + ids + "-01,", Duplicate, 0, 0},
		{"first header empty", ",00-" + ids + "-01", Duplicate, 0, 0},
		{"comma in a future field", "cc-" + ids + "-01-a,b", Duplicate, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Context{Trace: traceID(t, traceHex), Span: spanID(t, spanHex), Decision: tt.decision, Flags: tt.flags}
			s := newSet("traceparent", tt.value)
			check(t, s, TraceParent, tt.reason, want)
			if got := s.Decision(TraceParent); got != tt.decision || s.Denied(TraceParent) {
				t.Errorf("Decision = %d, want %d; Denied = %v", got, tt.decision, s.Denied(TraceParent))
			}
		})
	}
	t.Run("two calls", func(t *testing.T) {
		tp := "00-" + ids + "-01"
		check(t, newSet("traceparent", tp, "traceparent", tp), TraceParent, Duplicate, Context{})
		check(t, newSet("traceparent", "zz", "traceparent", tp), TraceParent, Duplicate, Context{})
	})
}
