package correlation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// Formats of trace contexts. B3 is the Zipkin tracer's, too; its single header is a format of its own in a request.
const (
	TraceContext = "w3c"
	B3           = "b3"
	b3Single     = "b3s"
)

// Context is what a request's headers say in one format.
type Context struct {
	Format            string
	Trace, ID, Parent string
	Sampled           int // 1, 0, or -1: not said
}

var (
	traceParent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$`)
	spanID      = regexp.MustCompile(`^[0-9a-f]{16}$`)
	traceID     = regexp.MustCompile(`^([0-9a-f]{16}|[0-9a-f]{32})$`)
)

func isID(re *regexp.Regexp, s string) bool { return re.MatchString(s) && strings.Trim(s, "0") != "" }

func sampled(s string) int {
	switch s {
	case "1", "d", "true":
		return 1
	case "0", "false":
		return 0
	}
	return -1
}

// Contexts gives the valid contexts, by format.
func Contexts(h map[string]string) map[string]Context {
	out := map[string]Context{}
	if m := traceParent.FindStringSubmatch(h["traceparent"]); m != nil && isID(traceID, m[1]) && isID(spanID, m[2]) {
		flags := int(m[3][1]) & 1 // hexadecimal digits: the last bit is the same
		if m[3][1] >= 'a' {
			flags = int(m[3][1]-'a') & 1
		}
		out[TraceContext] = Context{TraceContext, m[1], m[2], "", flags}
	}
	if f := strings.Split(h["b3"], "-"); len(f) > 1 && isID(traceID, f[0]) && isID(spanID, f[1]) {
		f = append(f, "", "")
		out[b3Single] = Context{b3Single, wide(f[0]), f[1], f[3], sampled(f[2])}
	}
	if t, s := h["x-b3-traceid"], h["x-b3-spanid"]; isID(traceID, t) && isID(spanID, s) {
		out[B3] = Context{B3, wide(t), s, h["x-b3-parentspanid"], sampled(h["x-b3-sampled"])}
	}
	return out
}

func wide(trace string) string { return strings.Repeat("0", 32-len(trace)) + trace }

// loggedIDs gives all logged ids, in a fixed order.
func loggedIDs(h map[string]string) string {
	c := Contexts(h)
	return c[TraceContext].ID + "," + c[b3Single].ID + "," + c[B3].ID
}

// Order gives the formats by rank: behind a Zipkin tracer B3 comes first.
func Order(tracer string) []string {
	if tracer == B3 {
		return []string{B3, b3Single, TraceContext}
	}
	return []string{TraceContext, B3, b3Single}
}

// Choose gives the context that counts at a node with that tracer ("" when it is not known).
func Choose(h map[string]string, tracer string) (Context, bool) {
	all := Contexts(h)
	for _, f := range Order(tracer) {
		if c, ok := all[f]; ok {
			return c, true
		}
	}
	return Context{}, false
}

// InFormat gives the context in the tracer's own format, in either form of B3.
func InFormat(h map[string]string, tracer string) (Context, bool) {
	c, ok := Choose(h, tracer)
	return c, ok && c.of(tracer)
}

// of tells whether a context is in the tracer's own format; nobody else's flag counts.
func (c *Context) of(tracer string) bool {
	return tracer != "" && (c.Format == tracer || c.Format == b3Single && tracer == B3)
}

// invalid tells whether headers of the tracer's format are there, but no valid context.
func invalid(h map[string]string, tracer string) bool {
	all := Contexts(h)
	if tracer == B3 {
		return (h["x-b3-traceid"] != "" || h["x-b3-spanid"] != "") && all[B3].ID == "" && all[b3Single].ID == ""
	}
	return tracer == TraceContext && h["traceparent"] != "" && all[TraceContext].ID == ""
}

// derive gives an id of that many bytes (rule 4). The product hashes in another way: only the structure can be compared.
func derive(size int, parts ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", parts))
	return hex.EncodeToString(sum[:size])
}
