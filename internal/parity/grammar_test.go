package parity

import (
	"strconv"
	"strings"
)

// grammar writes random conditions, most of which are accepted. What it writes is what users write, more densely.
type grammar struct{ *dice }

// condition writes a boolean expression with at most that many levels.
func (g grammar) condition(depth int) string {
	if depth == 0 {
		return g.comparison(0)
	}
	switch g.roll(12) {
	default:
		return g.comparison(depth)
	case 5:
		return g.condition(depth-1) + " and " + g.condition(depth-1)
	case 6:
		return g.condition(depth-1) + " or " + g.condition(depth-1)
	case 7:
		return "not " + g.factor(depth-1)
	case 8:
		return "(" + g.condition(depth-1) + ")"
	case 9:
		return g.match(depth)
	case 10:
		return g.predicate(depth)
	case 11:
		return pick(g.dice, "true", "false", "IsRootSpan()")
	}
}

// plain writes what nearly all users write: comparisons of one field with a constant, and patterns on one field.
func (g grammar) plain(depth int) string {
	if depth == 0 {
		return g.leaf()
	}
	switch g.roll(8) {
	default:
		return g.leaf()
	case 4:
		return g.plain(depth-1) + " and " + g.plain(depth-1)
	case 5:
		return g.plain(depth-1) + " or " + g.plain(depth-1)
	case 6:
		return "not (" + g.plain(depth-1) + ")"
	case 7:
		return "(" + g.plain(depth-1) + ")"
	}
}

func (g grammar) leaf() string {
	field := pick(g.dice, "attributes", "span.attributes", "resource.attributes") + "[" + strconv.Quote(pick(g.dice, keys...)) + "]"
	if g.roll(3) == 2 {
		field = pick(g.dice, "name", "kind", "status.code", "span.name", "span.kind")
	}
	if g.roll(4) == 3 {
		pattern := pick(g.dice, "^a", "b$", "^a$", "", "^$", "a.*", ".*b", "^(a|GET)$", "a|b|42", "(?i)get|true", "(?i)^a", "^GET /", "2\\\\.5", "^42$", "[a-b]", "é", "^.$")
		return "IsMatch(" + field + ", \"" + pattern + "\")" + pick(g.dice, "", "", " == true", " != true")
	}
	op, constant := pick(g.dice, "==", "==", "!=", "<", "<=", ">", ">="), pick(g.dice, g.quoted(), g.literal(), "nil", "true", "false", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR")
	if g.roll(5) == 4 {
		field, constant = constant, field
	}
	return field + " " + op + " " + constant
}

// factor is a condition that a not may stand before.
func (g grammar) factor(depth int) string {
	if g.roll(2) == 1 {
		return g.match(depth)
	}
	return "(" + g.condition(depth) + ")"
}

func (g grammar) comparison(depth int) string {
	op := " " + pick(g.dice, "==", "!=", "<", "<=", ">", ">=") + " "
	switch g.roll(6) {
	default:
		return g.text(depth) + op + g.text(depth)
	case 1, 2:
		return g.number(depth) + op + g.number(depth)
	case 3:
		return g.any(depth) + op + "nil"
	case 4:
		return g.any(depth) + op + g.any(depth)
	case 5:
		return g.moment() + op + g.moment()
	}
}

func (g grammar) match(depth int) string {
	pattern := pick(g.dice, "^a", "b$", "", ".", "^$", "[0-9]+", "(?i)get", "a|b", "\\\\d{2}", "^(true|false)$", "^\\\\[", "e\\\\+", "(", "é")
	return "IsMatch(" + g.any(depth) + ", \"" + pattern + "\")"
}

// predicate is a function that is a condition.
func (g grammar) predicate(depth int) string {
	switch g.roll(5) {
	default:
		return pick(g.dice, "IsString", "IsInt", "IsDouble", "IsBool", "IsMap", "IsList") + "(" + g.any(depth) + ")"
	case 1:
		return pick(g.dice, "HasPrefix", "HasSuffix") + "(" + g.text(depth) + ", " + g.quoted() + ")"
	case 2:
		return "ContainsValue(" + g.list(depth) + ", " + g.any(depth) + ")"
	case 3:
		return "Bool(" + g.any(depth) + ")"
	}
}

// path gives an attribute of anything, or a part of one.
func (g grammar) path() string {
	p := pick(g.dice, "attributes", "attributes", "resource.attributes", "instrumentation_scope.attributes", "span.attributes",
		"scope.attributes") + "[" + g.key() + "]"
	for range pick(g.dice, 0, 0, 0, 1, 2) {
		p += "[" + pick(g.dice, g.key(), "0", "1", "2") + "]"
	}
	return p
}

func (g grammar) key() string {
	if g.roll(12) == 11 {
		return "Concat([" + g.quoted() + "], \"\")"
	}
	return strconv.Quote(pick(g.dice, keys...))
}

// any gives a value of any type.
func (g grammar) any(depth int) string {
	switch g.roll(12) {
	default:
		return g.path()
	case 5:
		return g.text(depth)
	case 6:
		return g.number(depth)
	case 7:
		return pick(g.dice, "true", "false", "nil", "0x61", "0xff00")
	case 8:
		return g.list(depth)
	case 9:
		return g.mapping(depth)
	case 10:
		return pick(g.dice, "attributes", "resource.attributes", "events", "links", "status", "trace_id", "span_id", "parent_span_id", "trace_state",
			"cache[\"a\"]")
	case 11:
		return "Coalesce([" + g.path() + ", " + g.path() + "])"
	}
}

func (g grammar) list(depth int) string {
	if depth == 0 || g.roll(4) == 0 {
		return pick(g.dice, g.path(), "[]", "[1, 2]", `["a", "b"]`)
	}
	items := []string{}
	for range g.roll(3) {
		items = append(items, g.any(depth-1))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (g grammar) mapping(depth int) string {
	items := []string{}
	for range g.roll(3) {
		if depth > 0 {
			items = append(items, strconv.Quote(pick(g.dice, keys...))+": "+g.any(depth-1))
		}
	}
	return "{" + strings.Join(items, ", ") + "}"
}

func (g grammar) quoted() string { return strconv.Quote(pick(g.dice, texts...)) }

func (g grammar) text(depth int) string {
	if depth == 0 {
		return pick(g.dice, "name", g.path(), g.quoted())
	}
	switch g.roll(12) {
	default:
		return g.path()
	case 4, 5:
		return g.quoted()
	case 6:
		return pick(g.dice, "name", "span.name", "status.message", "kind.string", "kind.deprecated_string", "instrumentation_scope.name", "scope.version",
			"trace_id.string", "span_id.string", "parent_span_id.string", "trace_state", `trace_state["a"]`, `trace_state["b"]`)
	case 7:
		return pick(g.dice, "ToLowerCase", "ToUpperCase", "Trim", "String") + "(" + g.text(depth-1) + ")"
	case 8:
		return "Concat([" + g.any(depth-1) + ", " + g.any(depth-1) + "], " + g.quoted() + ")"
	case 9:
		return "Substring(" + g.text(depth-1) + ", " + pick(g.dice, "0", "1") + ", " + pick(g.dice, "1", "2") + ")"
	case 10:
		return "Split(" + g.text(depth-1) + ", " + pick(g.dice, `"-"`, `" "`, `""`) + ")[" + pick(g.dice, "0", "1") + "]"
	case 11:
		return "String(" + g.any(depth-1) + ")"
	}
}

func (g grammar) number(depth int) string {
	if depth == 0 {
		return pick(g.dice, "kind", g.path(), g.literal())
	}
	switch g.roll(12) {
	default:
		return g.path()
	case 4, 5:
		return g.literal()
	case 6:
		return pick(g.dice, "kind", "status.code", "flags", "dropped_attributes_count", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR", "span.kind",
			"resource.dropped_attributes_count")
	case 7:
		return pick(g.dice, "Int", "Double", "Len") + "(" + g.any(depth-1) + ")"
	case 8:
		return "Len(" + pick(g.dice, "attributes", "events", "links", "name", g.path()) + ")"
	case 9:
		return g.number(depth-1) + pick(g.dice, " + ", " - ", " * ", " / ", "-") + g.number(depth-1)
	case 10:
		return "(" + g.number(depth-1) + pick(g.dice, " + ", " - ") + g.number(depth-1) + ")"
	case 11:
		return "-" + g.path()
	}
}

// literal gives a number, in one of the ways in which it can be written.
func (g grammar) literal() string {
	switch g.roll(3) {
	default:
		return strconv.Itoa(pick(g.dice, ints...))
	case 1:
		return strconv.FormatFloat(pick(g.dice, reals...), 'f', 1, 64)
	case 2:
		return pick(g.dice, ".5", "1.", "2.5e0", "1.0E+21", "+1", "007")
	}
}

// moment gives a time or a duration.
func (g grammar) moment() string {
	return pick(g.dice, "end_time - start_time", "Duration(\"1ms\")", "Duration(\"1s\")", "start_time", "end_time",
		"end_time_unix_nano - start_time_unix_nano", "1000000",
		"start_time + Duration(\"2ms\")", "Unix(1715941800)", "Milliseconds(end_time - start_time)")
}

// randomCondition gives the condition that the choices stand for; one of eight is spoilt.
func randomCondition(choices []byte) string {
	d := dice(choices)
	write := pick(&d, grammar.plain, grammar.condition)
	c := write(grammar{&d}, 3)
	if d.roll(8) == 7 {
		return spoil(&d, c)
	}
	return c
}

// spoil takes away, doubles or moves a word of a condition, which may be accepted nevertheless.
func spoil(d *dice, condition string) string {
	words := strings.SplitAfter(condition, " ")
	i, j := d.roll(len(words)), d.roll(len(words))
	switch d.roll(4) {
	case 0:
		words[i] = ""
	case 1:
		words[i] += " " + words[i]
	case 2:
		words[i], words[j] = words[j], words[i]
	case 3:
		words[i] = strings.NewReplacer("(", "", "\"", "'", "[", "(", "=", "==").Replace(words[i])
	}
	return strings.Join(words, "")
}
