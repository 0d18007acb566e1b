package propagation

import (
	"strings"
	"testing"
)

func TestParseTraceID(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"128 bits", traceHex, traceHex},
		{"64 bits are padded", shortHex, zeroSpan + shortHex},
		{"upper case", strings.ToUpper(traceHex), traceHex},
		{"mixed case, all digits", "0123456789abcdefABCDEF9876543210", "0123456789abcdefabcdef9876543210"},
		{"low half zero", shortHex + zeroSpan, shortHex + zeroSpan},
		{"all ones", strings.Repeat("f", 32), strings.Repeat("f", 32)},
		{"zero", zeroTrace, ""},
		{"zero, 64 bits", zeroSpan, ""},
		{"absent tag", "-", ""},
		{"empty", "", ""},
		{"15", shortHex[1:], ""},
		{"17", shortHex + "0", ""},
		{"31", traceHex[1:], ""},
		{"33", traceHex + "0", ""},
		{"space", " " + traceHex[1:], ""},
		{"dash", traceHex[:16] + "-" + traceHex[17:], ""},
		{"g", traceHex[:31] + "g", ""},
		{"G", "G" + traceHex[1:], ""},
		{"beside the digits", "/" + traceHex[1:], ""},
		{"beside the letters", "`" + traceHex[1:], ""},
		{"beside the upper letters", "@" + traceHex[1:], ""},
		{"not UTF-8", "\xff" + traceHex[1:], ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, ok := ParseTraceID([]byte(tt.in))
			if ok != (tt.want != "") || ok && id.String() != tt.want {
				t.Errorf("ParseTraceID(%q) = %s, %v, want %q", tt.in, id, ok, tt.want)
			}
			if id.IsZero() == ok {
				t.Errorf("ParseTraceID(%q) = %s with %v", tt.in, id, ok)
			}
		})
	}
}

func TestParseSpanID(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"lower case", spanHex, spanHex},
		{"upper case", strings.ToUpper(spanHex), spanHex},
		{"one", "0000000000000001", "0000000000000001"},
		{"zero", zeroSpan, ""},
		{"absent tag", "-", ""},
		{"empty", "", ""},
		{"15", spanHex[1:], ""},
		{"17", spanHex + "0", ""},
		{"32", traceHex, ""},
		{"not hex", "x" + spanHex[1:], ""},
		{"last not hex", spanHex[:15] + "\x00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, ok := ParseSpanID([]byte(tt.in))
			if ok != (tt.want != "") || ok && id.String() != tt.want {
				t.Errorf("ParseSpanID(%q) = %s, %v, want %q", tt.in, id, ok, tt.want)
			}
			if id.IsZero() == ok {
				t.Errorf("ParseSpanID(%q) = %s with %v", tt.in, id, ok)
			}
		})
	}
}

func TestLow(t *testing.T) {
	if got := traceID(t, traceHex).Low(); got != 0x8448eb211c80319c {
		t.Errorf("Low() = %x", got)
	}
}
