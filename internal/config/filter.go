package config

import "time"

// Text is one condition or pattern of the file with its place, for errors that are found when it is compiled.
type Text struct {
	Value string
	Path  string // like filter.traces.span[1]
	Line  int    // 0 if it is not from the file
}

// Filter is which spans are not exported.
type Filter struct {
	ErrorMode       string       // ignore, silent or propagate: what happens when a condition cannot be evaluated
	Presets         []string     // names of conditions that the agent knows
	Traces          TraceFilter  // the collector's older block
	TraceConditions []Conditions // the collector's newer block
	DropTrace       DropTrace
}

// TraceFilter has conditions by what they look at. They are alternatives: the first that holds counts.
type TraceFilter struct {
	Resource  []Text
	Span      []Text
	SpanEvent []Text
}

// Conditions is a group of alternative conditions. A list without groups becomes one group with neither Context nor
// ErrorMode.
type Conditions struct {
	Context    string // resource, scope, span or spanevent; empty is worked out from the conditions
	Conditions []Text
	ErrorMode  string // empty is that of the filter
}

// DropTrace is which spans take the rest of their trace with them.
type DropTrace struct {
	Conditions []Text
	For        time.Duration // how long a trace id is remembered
	Traces     int           // how many of them
}

// Attributes is what is done to the attributes of spans.
type Attributes struct {
	Actions []Action
}

// Resource is what is done to the attributes of resources.
type Resource struct {
	Attributes []Action
}

// Action is one change of attributes, with its place in the file. What Action says decides which fields are set.
type Action struct {
	Key           string
	Pattern       string // RE2
	Action        string // insert, update, upsert, delete, hash, extract or convert
	FromAttribute string
	ConvertedType string // int, double or string
	Value         any    // nil, string, int64, float64, bool, or []any of those
	Path          string // like attributes.actions[0]
	Line          int    // 0 if it is not from the file
}

// Redaction is what is masked in the attributes of spans.
type Redaction struct {
	BlockedValues      []Text // RE2: what they match in a value is masked
	BlockedKeyPatterns []Text // RE2: the whole value of a key that one matches is masked
	IgnoredKeys        []Text // keys that are left as they are
	HashFunction       string // empty masks with asterisks, sha256 with a hash
}
