package recordings

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Relation says of one entry what each logged id is in truth. It is known for 15 modes, of which eight are recordings.
type Relation struct {
	Mode    string
	Request string // Request.Name; "?" if the entry belongs to none that can be told
	Log     string
	Type    int // AccessLogType
	Code    int // response code; 0 if the entry has none

	// What the ids in traceparent, x-b3-spanid and b3 are. Nil if the header was not logged.
	Traceparent, XB3, B3 []Role

	Flags       string // the logged context's flags as they were written: "01", "00", "1", "0", "" if there are none
	ProxySpans  int    // exported SERVER (or single) spans with the entry's start and request id
	SpanKind    string // of the first of those, "" if there is none
	SpanParent  string // "caller", "none" or "x", another; "" if there is no span
	Tracestate  *string
	HasUpstream bool
	Attempts    int
}

// Role is what an id is, seen from the entry that bears it.
type Role string

// The roles. One id can have several: with shared contexts the caller's id is Envoy's own.
const (
	RoleCaller Role = "caller" // the caller's
	RoleOwn    Role = "OWN"    // Envoy's span of this request
	RoleParent Role = "PARENT" // that span's parent
	RoleChild  Role = "CHILD"  // a CLIENT span below it
	RoleOther  Role = "other"  // none of these: it was made by Envoy and never exported, or another hop's
)

// Relations gives all rows, in the order of the modes.
func Relations() ([]Relation, error) {
	b, err := read("relations.tsv")
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("cannot read relations: %w", err)
	}
	want := []string{"mode", "request", "log", "entry_type", "code", "traceparent_id_is", "x_b3_id_is", "b3_id_is", "flags",
		"proxy_spans_with_same_key", "span_kind", "span_parent", "tracestate", "upstream_host", "attempts"}
	if !slices.Equal(rows[0], want) {
		return nil, fmt.Errorf("cannot read relations: the columns are %q", rows[0])
	}
	rels := make([]Relation, 0, len(rows)-1)
	for i, row := range rows[1:] {
		rel, err := relation(row)
		if err != nil {
			return nil, fmt.Errorf("cannot read relation %d: %w", i+1, err)
		}
		rels = append(rels, rel)
	}
	return rels, nil
}

func relation(row []string) (Relation, error) {
	rel := Relation{
		Mode: row[0], Request: row[1], Log: row[2],
		Traceparent: roles(row[5]), XB3: roles(row[6]), B3: roles(row[7]),
		Flags: row[8], SpanKind: row[10], SpanParent: row[11],
	}
	for _, f := range []struct {
		to   *int
		text string
	}{{&rel.Type, row[3]}, {&rel.Code, row[4]}, {&rel.ProxySpans, row[9]}, {&rel.Attempts, row[14]}} {
		var err error
		if *f.to, err = strconv.Atoi(f.text); err != nil {
			return rel, err
		}
	}
	var err error
	if rel.HasUpstream, err = strconv.ParseBool(row[13]); err != nil {
		return rel, err
	}
	// The column is a literal: None, or the header's value between quotes.
	if t := row[12]; t != "None" {
		rel.Tracestate = new(strings.Trim(t, "'"))
	}
	return rel, nil
}

func roles(column string) []Role {
	if column == "-" || column == "" {
		return nil
	}
	var rs []Role
	for r := range strings.SplitSeq(column, "+") {
		rs = append(rs, Role(r))
	}
	return rs
}
