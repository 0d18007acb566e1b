package spanbuilder

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// secretOf gives the value of a parameter of that URL that is to be redacted and is not.
func secretOf(b *Builder, target string) string {
	_, query, _ := strings.Cut(target, "?")
	for _, pair := range strings.Split(query, "&") {
		name, value, found := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if found && err == nil && len(name) <= 256 && b.redact[strings.ToLower(plain)] && value != redactedValue {
			return pair
		}
	}
	return ""
}

// secretIn gives a secret of a span of Envoy's that goes out.
func secretIn(b *Builder, s *tracepb.Span) string {
	component := ""
	for _, a := range s.Attributes {
		if v, ok := a.Value.GetValue().(*commonpb.AnyValue_StringValue); ok && a.Key == "component" {
			component = v.StringValue
		}
	}
	for _, a := range s.Attributes {
		if v, ok := a.Value.GetValue().(*commonpb.AnyValue_StringValue); ok && a.Key == urlAttribute && component == "proxy" {
			if secret := secretOf(b, v.StringValue); secret != "" {
				return secret
			}
		}
	}
	return ""
}

// checkClean tells whether what goes out has no secret, is sound, and is what came in where there is nothing to do.
func checkClean(t *testing.T, b *Builder, x *Extender, span []byte) {
	t.Helper()
	var s wire.Span
	var look Spans
	var item Item
	health := s.Walk(span)
	if health == wire.Broken || s.Len() >= 4096 { // those above are not looked at
		return
	}
	look.Look(&item, &s, NewOrigins().Find(nil, nil), propagation.TraceParent, 1)
	got, repaired := x.Clean(b, &s, health == wire.Poisoned, look.URLs)
	var before, after tracepb.Span
	if err := proto.Unmarshal(got, &after); err != nil {
		t.Fatalf("%v: %x", err, got)
	}
	if secret := secretIn(b, &after); secret != "" {
		t.Fatalf("the secret %q is in %v\n%x", secret, &after, span)
	}
	if (health == wire.Poisoned) != (repaired > 0) {
		t.Fatalf("%d strings are repaired of %x", repaired, span)
	}
	if health != wire.Sound {
		return
	}
	if err := proto.Unmarshal(span, &before); err != nil {
		t.Fatal(err)
	}
	if secretIn(b, &before) == "" {
		if string(got) != string(span) {
			t.Fatalf("%x is %x without a reason", span, got)
		}
		return
	}
	other := func(a *commonpb.KeyValue) bool { return a.Key == urlAttribute }
	before.Attributes, after.Attributes = slices.DeleteFunc(before.Attributes, other), slices.DeleteFunc(after.Attributes, other)
	if !proto.Equal(&before, &after) {
		t.Fatalf("more than the URL is changed: %v, was %v", &after, &before)
	}
}

func proxySpan(attributes ...*commonpb.KeyValue) *tracepb.Span {
	return &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "n", Attributes: append(attributes, stringAttribute("component", "proxy"))}
}

func secretURLs() []string {
	return []string{"http://h/?token=x", "?TOKEN=x&token=y", "?a=b&%74oken=x", "?t+oken=x&token=", "?token", "?=x", "?" + bad + "=1&token=" + bad, "/?x-amz-signature=" + strings.Repeat("s", 300),
		"a?b?token=1", "a?b=1?token=2&token=3", "no query", "?to%6", "?token=REDACTED&token=x", "?token=REDACTED", "?token=REDACTED&a=b", "?to%E2%84%AAen=x", "?&&token=x&&", "?%zz=1&token=2"}
}

// FuzzClean takes any bytes as a span, and any text as the URL of one.
func FuzzClean(f *testing.F) {
	for _, s := range seedSpans(f) {
		f.Add(s, "?token=x")
	}
	for _, u := range secretURLs() {
		f.Add(encoded(f, proxySpan(stringAttribute(urlAttribute, u))), strings.ReplaceAll(u, bad, "\xff"))
		f.Add(encoded(f, proxySpan(stringAttribute(urlAttribute, u), stringAttribute(urlAttribute, "http://plain/"))), "")
		f.Add(encoded(f, proxySpan(stringAttribute(urlAttribute, u), &commonpb.KeyValue{Key: urlAttribute, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 1}}})), "")
	}
	b := New(options())
	f.Fuzz(func(t *testing.T, span []byte, target string) {
		var x Extender
		checkClean(t, b, &x, span)
		value := wire.AppendBytes(wire.AppendBytes(nil, 1, urlAttribute), 2, wire.AppendBytes(nil, valueString, target))
		proxy := wire.AppendBytes(span, spanAttributes, wire.AppendBytes(wire.AppendBytes(nil, 1, "component"), 2, wire.AppendBytes(nil, valueString, "proxy")))
		checkClean(t, b, &x, wire.AppendBytes(proxy, spanAttributes, value))
	})
}

// FuzzOrigins takes any bytes as what stands around spans: what goes out is always sound, and what is sound goes out as it is.
func FuzzOrigins(f *testing.F) {
	resource := encoded(f, &resourcepb.Resource{Attributes: []*commonpb.KeyValue{stringAttribute("service.name", "shop"), stringAttribute(bad, bad)}, EntityRefs: []*commonpb.EntityRef{{Type: bad, IdKeys: []string{"a", bad}}}})
	scope := encoded(f, &commonpb.InstrumentationScope{Name: bad, Version: "1", Attributes: []*commonpb.KeyValue{stringAttribute("k", bad)}})
	f.Add(wire.AppendBytes(wire.AppendBytes(nil, 1, resource), 3, "url"), wire.AppendBytes(wire.AppendBytes(nil, 1, scope), 3, "\xff"))
	f.Add(wire.AppendBytes(wire.AppendBytes(wire.AppendUint(nil, 9, 5), 3, "url"), 1, resource), []byte("\x0a\x05abc"))
	f.Add([]byte("\x0a\x02\x0a\x05"), []byte{})
	f.Fuzz(func(t *testing.T, head, scope []byte) {
		head, scope = headOf(head), headOf(scope)
		origins := NewOrigins()
		o := origins.Find(head, scope)
		if again := origins.Find(slices.Clone(head), slices.Clone(scope)); len(head)+len(scope) <= maxOriginSize && again != o {
			t.Fatal("it is not found again")
		}
		checkSound(t, head, o.Resource.Head, new(tracepb.ResourceSpans))
		checkSound(t, scope, o.Resource.Scope, new(tracepb.ScopeSpans))
		name, r := "", new(tracepb.ResourceSpans)
		if err := proto.Unmarshal(o.Resource.Head, r); err != nil {
			t.Fatal(err)
		}
		for _, a := range r.Resource.GetAttributes() {
			if v, ok := a.Value.GetValue().(*commonpb.AnyValue_StringValue); ok && a.Key == "service.name" {
				name = v.StringValue
			}
		}
		if want := new(derivation).hash([]byte(name)); name != "" && o.Service != want {
			t.Fatalf("the service is not %q: %x", name, head)
		}
	})
}

func checkSound(t *testing.T, in, out []byte, m proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(out, m); err != nil {
		t.Fatalf("%v: %x, of %x", err, out, in)
	}
	if proto.Unmarshal(in, m) == nil && string(in) != string(out) && len(in) < 200 { // longer ones may be too deep
		t.Fatalf("%x is %x without a reason", in, out)
	}
}

// headOf gives the fields of b up to the first malformed one, without lists: as a head is.
func headOf(b []byte) (head []byte) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeField(b)
		if n < 0 {
			return head
		}
		if num != 2 || typ != protowire.BytesType {
			head = append(head, b[:n]...)
		}
		b = b[n:]
	}
	return head
}
