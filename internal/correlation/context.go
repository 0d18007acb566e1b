package correlation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
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

// isID tells whether s is one in lower-case digits, and not all zeros.
func isID(s string, sizes ...int) bool {
	return slices.Contains(sizes, len(s)) && strings.Trim(s, "0") != "" && isHex(s)
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

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
	if f := strings.Split(h["traceparent"], "-"); len(f) == 4 && f[0] == "00" && isID(f[1], 32) && isID(f[2], 16) && len(f[3]) == 2 && isHex(f[3]) {
		flags, _ := strconv.ParseUint(f[3], 16, 8)
		out[TraceContext] = Context{TraceContext, f[1], f[2], "", int(flags & 1)}
	}
	if f := strings.Split(h["b3"], "-"); len(f) > 1 && isID(f[0], 16, 32) && isID(f[1], 16) {
		f = append(f, "", "")
		out[b3Single] = Context{b3Single, wide(f[0]), f[1], f[3], sampled(f[2])}
	}
	if t, s := h["x-b3-traceid"], h["x-b3-spanid"]; isID(t, 16, 32) && isID(s, 16) {
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
	return pick(Contexts(h), tracer)
}

func pick(all map[string]Context, tracer string) (Context, bool) {
	for _, f := range Order(tracer) {
		if c, ok := all[f]; ok {
			return c, true
		}
	}
	return Context{}, false
}

// context is Choose for what x logs.
func (m *model) context(x *item) (Context, bool) {
	if x.contexts == nil {
		x.contexts = Contexts(x.headers)
	}
	return pick(x.contexts, m.node(x.node).tracer)
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
