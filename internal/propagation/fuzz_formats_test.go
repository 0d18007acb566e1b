package propagation

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// The formats once more, by regular expressions and other libraries: each reads the value of one header.
var (
	jaegerGrammar = regexp.MustCompile(`^([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):([^:]*):([0-9a-fA-F]+)$`)
	encodedColon  = regexp.MustCompile(`%3[aA]`)
	shortSpan     = regexp.MustCompile(`^[0-9a-fA-F]{1,16}$`)
	xrayRoot      = regexp.MustCompile(`^1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})$`)
	anySpan       = regexp.MustCompile(`^[0-9a-fA-F]{16}$`)
	cloudGrammar  = regexp.MustCompile(`^([0-9a-fA-F]{32})(?:/([0-9]{0,20}))?[ \t]*(?:;[ \t]*o=([0-9]+))?$`)
)

// padded decodes digits, zeros before them if need be, and gives nil for zero.
func padded(digits string, n int) []byte {
	b, err := hex.DecodeString(strings.Repeat("0", max(2*n-len(digits), 0)) + digits)
	if err != nil || len(b) != n || !notZero(digits) {
		return nil
	}
	return b
}

func contextOf(trace, span, parent []byte, d Decision) *Context {
	if trace == nil {
		return nil
	}
	c := &Context{Decision: d}
	copy(c.Trace[:], trace)
	copy(c.Span[:], span)
	if copy(c.Parent[:], parent); c.Parent == c.Span {
		c.Parent = SpanID{}
	}
	if d >= Sampled {
		c.Flags = FlagSampled
	}
	return c
}

func bit(set bool) Decision {
	if set {
		return Sampled
	}
	return NotSampled
}

func simpleJaeger(v string) *Context {
	m := jaegerGrammar.FindStringSubmatch(encodedColon.ReplaceAllString(v, ":"))
	if m == nil || padded(m[2], 8) == nil {
		return nil
	}
	var parent []byte
	if shortSpan.MatchString(m[3]) {
		parent = padded(m[3], 8)
	}
	flags, _ := strconv.ParseUint(m[4][len(m[4])-1:], 16, 8)
	d := bit(flags&1 != 0)
	if flags&3 == 3 {
		d = Debug
	}
	return contextOf(padded(m[1], 16), padded(m[2], 8), parent, d)
}

func simpleXRay(v string) *Context {
	fields := map[string]string{}
	d := Deferred
	for part := range strings.SplitSeq(v, ";") {
		key, value, _ := strings.Cut(part, "=")
		key, value = strings.Trim(key, " \t"), strings.Trim(value, " \t")
		if _, again := fields[key]; !again {
			fields[key] = value
		}
		if key == "Sampled" && (value == "0" || value == "1") { // of several the last one that says something
			d = bit(value == "1")
		}
	}
	root := xrayRoot.FindStringSubmatch(fields["Root"])
	parent, named := fields["Parent"]
	if root == nil || named && (!anySpan.MatchString(parent) || !notZero(parent)) {
		return nil
	}
	return contextOf(padded(root[1]+root[2], 16), padded(parent, 8), nil, d)
}

func simpleCloudTrace(v string) *Context {
	m := cloudGrammar.FindStringSubmatch(v)
	if m == nil || strings.ContainsAny(v, "\n") {
		return nil
	}
	span, err := strconv.ParseUint("0"+m[2], 10, 64)
	if err != nil {
		return nil
	}
	d := Deferred
	if m[3] != "" {
		d = bit(strings.ContainsAny(m[3][len(m[3])-1:], "13579"))
	}
	return contextOf(padded(m[1], 16), binary.BigEndian.AppendUint64(nil, span), nil, d)
}

func simpleBase64(v string) []byte {
	v = strings.TrimSuffix(strings.TrimSuffix(v, "="), "=")
	b, err := base64.RawStdEncoding.DecodeString(v)
	if err != nil || len(v)*3/4 > maxBinary {
		return nil
	}
	return b
}

func simpleLightStep(v string) *Context {
	var trace, span uint64
	sampled, ok := false, true
	each := func(b []byte, f func(protowire.Number, protowire.Type, []byte)) {
		for len(b) > 0 && ok {
			num, typ, n := protowire.ConsumeTag(b)
			if n < 0 || typ == protowire.StartGroupType || typ == protowire.EndGroupType {
				ok = false
				return
			}
			size := protowire.ConsumeFieldValue(num, typ, b[n:])
			if ok = size >= 0; ok {
				f(num, typ, b[n:n+size])
				b = b[n+size:]
			}
		}
	}
	each(simpleBase64(v), func(num protowire.Number, typ protowire.Type, b []byte) {
		if num != 2 || typ != protowire.BytesType {
			return
		}
		basic, _ := protowire.ConsumeBytes(b)
		each(basic, func(num protowire.Number, typ protowire.Type, b []byte) {
			switch {
			case num == 1 && typ == protowire.Fixed64Type:
				trace, _ = protowire.ConsumeFixed64(b)
			case num == 2 && typ == protowire.Fixed64Type:
				span, _ = protowire.ConsumeFixed64(b)
			case num == 3 && typ == protowire.VarintType:
				n, _ := protowire.ConsumeVarint(b)
				sampled = n != 0
			}
		})
	})
	if !ok || trace == 0 || span == 0 {
		return nil
	}
	return contextOf(binary.BigEndian.AppendUint64(make([]byte, 8), trace), binary.BigEndian.AppendUint64(nil, span), nil, bit(sampled))
}

func simpleCensus(v string) *Context {
	b := simpleBase64(v)
	if len(b) == 0 || b[0] != 0 {
		return nil
	}
	fields := map[byte]string{}
	for rest := string(b[1:]); rest != ""; {
		size, known := map[byte]int{0: 16, 1: 8, 2: 1}[rest[0]]
		if !known {
			break
		}
		if len(rest) <= size {
			return nil
		}
		fields[rest[0]], rest = rest[1:1+size], rest[1+size:]
	}
	if strings.Trim(fields[0], "\x00") == "" || strings.Trim(fields[1], "\x00") == "" {
		return nil
	}
	d := Deferred
	if options, ok := fields[2]; ok {
		d = bit(options[0]%2 == 1)
	}
	return contextOf([]byte(fields[0]), []byte(fields[1]), nil, d)
}

var simple = map[Format]func(string) *Context{Jaeger: simpleJaeger, XRay: simpleXRay, CloudTrace: simpleCloudTrace, LightStep: simpleLightStep, Census: simpleCensus}

// One value, as the header of each format that has one header.
func FuzzOneHeader(f *testing.F) {
	for _, value := range []string{"", "0", contribTrace + ":" + contribSpan + ":0:1", contribTrace + "%3A" + contribSpan + "%3a7%3A3", "1:2:3:x", ":::",
		"Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1", "Self=1;Root=1-67891233-abcdef012345678912345678", "Parent=1;Sampled=?",
		contribTrace + "/12607106263893950595;o=1", contribTrace + "/99999999999999999999", contribTrace + " ; o=0", contribTrace + "/",
		"EigJOjioEaYHBgcRNmifUO7/xlgYASISCgdjaGVja2VkEgdiYWdnYWdl", "Y3QbxCMskYASISCgdjaGVja2VkEgd", "AABL+S81d7NNpqPOkp0ADkc2ATTwZ6oLqQK3AgE=", "AAEB", "\n\n"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for format, read := range simple {
			s := newSet(formats[format].keys[0], value)
			ctx, ok := s.Get(format)
			want := read(head(value))
			if ok != (want != nil) || ok && *ctx != *want {
				t.Fatalf("%s %q: %+v, %v (%s), want %+v", format, value, ctx, ok, s.Reason(format), want)
			}
			checkWritten(t, format, s)
		}
	})
}

// The formats in several headers.
func FuzzSeveralHeaders(f *testing.F) {
	f.Add("1234567890123456789", "987654321", "1", "_dd.p.dm=-4,_dd.p.tid=640cfd8d00000000", "synthetics")
	f.Add("5", "0", "-1", absent, "synthetics")
	f.Add("18446744073709551616", "007", "x", "_dd.p.tid=1", absent)
	f.Add(contribTrace, contribSpan, "true", absent, absent)
	f.Add("5", "f067aa0ba902b7", "0", "", "")
	f.Fuzz(func(t *testing.T, trace, span, sampled, tags, origin string) {
		if strings.ContainsAny(trace+span+sampled+tags+origin, "\n") {
			return
		}
		with := func(keys, values []string) *Set {
			var headers []string
			for i, key := range keys {
				if values[i] != absent {
					headers = append(headers, key, values[i])
				}
			}
			return newSet(headers...)
		}
		dd := with(formats[Datadog].keys, []string{trace, span, sampled, tags, origin})
		if ctx, ok := dd.Get(Datadog); true {
			want := simpleDatadog(trace, span, sampled, tags, origin)
			if ok != (want != nil) || ok && *ctx != *want {
				t.Fatalf("x-datadog %q: %+v, %v (%s), want %+v", []string{trace, span, sampled, tags, origin}, ctx, ok, dd.Reason(Datadog), want)
			}
			checkWritten(t, Datadog, dd)
		}
		ot := with(formats[OTTracer].keys, []string{trace, span, sampled})
		traceOK := regexp.MustCompile(`^(?:[0-9a-fA-F]{1,16}|[0-9a-fA-F]{32})$`).MatchString(head(trace))
		usable := traceOK && shortSpan.MatchString(head(span)) && notZero(head(trace)) && notZero(head(span)) && (sampled == absent || sampledGrammar.MatchString(head(sampled)))
		if ctx, ok := ot.Get(OTTracer); ok != usable || ok && (ctx.Trace != TraceID(padded(head(trace), 16)) || ctx.Span != SpanID(padded(head(span), 8))) {
			t.Fatalf("ot-tracer %q: %+v, %v (%s)", []string{trace, span, sampled}, ctx, ok, ot.Reason(OTTracer))
		}
		checkWritten(t, OTTracer, ot)
	})
}

func simpleDatadog(trace, span, sampled, tags, origin string) *Context {
	low, err := strconv.ParseUint(head(trace), 10, 64)
	id, noID := strconv.ParseUint(head(span), 10, 64)
	synthetic := head(origin) == "synthetics"
	if err != nil || len(head(trace)) > 20 || len(head(span)) > 20 || noID != nil && !(synthetic && span == absent) || id == 0 && !synthetic {
		return nil
	}
	all := make([]byte, 8)
	for tag := range strings.SplitSeq(tags, ",") {
		if digits, ok := strings.CutPrefix(strings.Trim(tag, " \t"), "_dd.p.tid="); ok {
			if spanIDGrammar.MatchString(digits) && notZero(digits) {
				all = padded(digits, 8)
			}
			break
		}
	}
	if all = binary.BigEndian.AppendUint64(all, low); !notZero(hex.EncodeToString(all)) {
		return nil
	}
	d := Deferred
	if m := regexp.MustCompile(`^-?[0-9]+$`).FindString(head(sampled)); m != "" {
		d = bit(m[0] != '-' && notZero(m))
	}
	return contextOf(all, binary.BigEndian.AppendUint64(nil, id), nil, d)
}

// checkWritten reads what s says in that format again, written by its rules.
func checkWritten(t *testing.T, f Format, s *Set) {
	t.Helper()
	if r := s.Reason(f); r.Invalid() && !f.Gives(r) {
		t.Fatalf("%s does not list the fault %s", f, r)
	}
	ctx, ok := s.Get(f)
	if !ok {
		return
	}
	headers := written(f, ctx)
	if got, ok := newSet(headers...).Get(f); !ok || *got != *ctx {
		t.Fatalf("%s: %+v written as %q reads as %+v", f, ctx, headers, got)
	}
}

// writtenElsewhere gives the headers of ctx in a format that is not W3C's or B3.
func writtenElsewhere(f Format, ctx *Context) []string {
	trace, span := ctx.Trace.String(), ctx.Span.String()
	number := strconv.FormatUint(binary.BigEndian.Uint64(ctx.Span[:]), 10)
	known, sampled := ctx.Decision != Deferred, map[bool]string{true: "1", false: "0"}[ctx.Decision >= Sampled]
	key := formats[f].keys[0]
	switch f {
	case Jaeger:
		flags := map[Decision]string{NotSampled: "0", Sampled: "1", Debug: "3"}[ctx.Decision]
		return []string{key, trace + ":" + span + ":" + ctx.Parent.String() + ":" + flags}
	case Datadog:
		headers := []string{"x-datadog-trace-id", strconv.FormatUint(ctx.Trace.Low(), 10), "x-datadog-parent-id", number, "x-datadog-tags", "_dd.p.tid=" + trace[:16],
			"x-datadog-origin", "synthetics"}
		if known {
			headers = append(headers, "x-datadog-sampling-priority", sampled)
		}
		return headers
	case XRay:
		value := "Root=1-" + trace[:8] + "-" + trace[8:]
		if !ctx.Span.IsZero() {
			value += ";Parent=" + span
		}
		if known {
			value += ";Sampled=" + sampled
		}
		return []string{key, value}
	case CloudTrace:
		value := trace + "/" + number
		if known {
			value += ";o=" + sampled
		}
		return []string{key, value}
	case LightStep:
		basic := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), ctx.Trace.Low())
		basic = protowire.AppendFixed64(protowire.AppendTag(basic, 2, protowire.Fixed64Type), binary.BigEndian.Uint64(ctx.Span[:]))
		basic = protowire.AppendVarint(protowire.AppendTag(basic, 3, protowire.VarintType), uint64(sampled[0]-'0'))
		return []string{key, base64.StdEncoding.EncodeToString(protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), basic))}
	case OTTracer:
		headers := []string{"ot-tracer-traceid", trace, "ot-tracer-spanid", strings.TrimLeft(span, "0")}
		if known {
			headers = append(headers, "ot-tracer-sampled", sampled)
		}
		return headers
	case Census:
		b := append(append([]byte{0, 0}, ctx.Trace[:]...), 1)
		if b = append(b, ctx.Span[:]...); known {
			b = append(b, 2, sampled[0]-'0')
		}
		return []string{key, base64.RawStdEncoding.EncodeToString(b)}
	}
	panic(fmt.Sprintf("nobody writes %s", f))
}
