package tree

import (
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// The columns of a span's line. Notes follow the last, or stand below the line where there is no room for them.
const (
	colTree = iota // the drawing and the service
	colKind
	colName
	colResult
	colDuration
	colOffset
	numCols
)

const maxDepth = 24 // levels that are drawn; deeper spans are drawn at this one

// row is one line, not yet aligned.
type row struct {
	drawing string // part of colTree
	cells   [numCols]string
	path    string // part of colName
	notes   string
	failed  bool
	below   string   // the drawing before what stands below the line
	events  []string // that stand there
}

// print writes a trace: a line about it, a line per span, an empty line.
func (t *trace) print(w io.Writer, o Options) error {
	var begin, end uint64 = math.MaxUint64, 0
	failed := 0
	for _, s := range t.spans {
		if s.StartTimeUnixNano != 0 {
			begin = min(begin, s.StartTimeUnixNano)
		}
		end = max(end, s.EndTimeUnixNano, s.StartTimeUnixNano)
		if isError(s) {
			failed++
		}
	}
	if begin == math.MaxUint64 {
		begin = 0
	}
	var b strings.Builder
	p := Painter{On: o.Color}
	b.WriteString(p.Paint(Bold, "trace "+hex.EncodeToString([]byte(t.id))))
	fmt.Fprintf(&b, "  %s  %s", count(len(t.spans), "span"), between(begin, end))
	if failed > 0 {
		b.WriteString("  " + p.Paint(Red, count(failed, "error")))
	}
	b.WriteByte('\n')
	rows := rows(forest(t.spans), begin, o.Events)
	widths := fitted(rows, o.Width)
	for _, r := range rows {
		r.write(&b, widths, p, o.Width)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func isError(s span) bool { return s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR }

// rows gives the lines of a forest, parents before children. It does not recurse, since a chain can be as long as a trace.
func rows(roots []*node, begin uint64, events bool) []row {
	type visit struct {
		*node
		above string // the drawing of the levels above
		last  bool   // of its siblings
	}
	var todo []visit
	push := func(nodes []*node, above string) {
		for i := len(nodes) - 1; i >= 0; i-- { // the last in is the next out
			todo = append(todo, visit{nodes[i], above, i == len(nodes)-1})
		}
	}
	push(roots, "")
	var rows []row
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		own, below := v.above+"├─ ", v.above+"│  "
		if v.last {
			own, below = v.above+"└─ ", v.above+"   "
		}
		if utf8.RuneCountInString(below) > 3*maxDepth {
			below = v.above
		}
		r := v.row(begin)
		r.drawing, r.below = own, below+"   "
		if len(v.children) > 0 {
			r.below = below + "│  "
		}
		if events {
			r.events = v.eventTexts()
		}
		rows = append(rows, r)
		push(v.children, below)
	}
	return rows
}

// row gives what a span's line says.
func (n *node) row(begin uint64) row {
	r := row{failed: isError(n.span)}
	service := n.service
	if service == "" {
		service = "?"
	}
	name := Clean(n.Name)
	if !strings.Contains(name, "/") { // a name without a route says little to a person
		r.path = attribute(n.Attributes, "url.path")
	}
	mark := "  "
	if r.failed {
		mark = "✗ "
	}
	notes := n.notes
	if flags := attribute(n.Attributes, "envoy.response_flags", "response_flags"); flags != "" && flags != "-" {
		notes = append([]string{flags}, notes...)
	}
	if a := attribute(n.Attributes, "envoy.attempts"); a != "" && a != "0" && a != "1" {
		notes = append(notes, a+" attempts")
	}
	if why := attribute(n.Attributes, "error.type"); r.failed && why != "" && why != result(n.Attributes) && !strings.Contains(strings.Join(notes, " "), why) {
		notes = append(notes, why)
	}
	if m := Clean(n.GetStatus().GetMessage()); m != "" {
		notes = append(notes, m)
	}
	r.cells = [numCols]string{
		colTree: service, colKind: kind(n.Kind), colName: name, colResult: strings.TrimRight(mark+result(n.Attributes), " "),
		colDuration: between(n.StartTimeUnixNano, n.EndTimeUnixNano), colOffset: offset(begin, n.StartTimeUnixNano),
	}
	r.notes = strings.Join(notes, ", ")
	return r
}

func (n *node) eventTexts() []string {
	var texts []string
	for _, e := range n.Events {
		texts = append(texts, short(e.GetName())+" "+offset(n.StartTimeUnixNano, e.GetTimeUnixNano()))
	}
	return texts
}

// width gives the columns that a row's cell needs.
func (r *row) width(col int) int {
	n := utf8.RuneCountInString(r.cells[col])
	switch {
	case col == colTree:
		n += utf8.RuneCountInString(r.drawing)
	case col == colName && r.path != "":
		n += 1 + utf8.RuneCountInString(r.path)
	}
	return n
}

// fitted gives the columns' widths: as wide as their widest cell, less where a line with a short note would be too long.
func fitted(rows []row, width int) [numCols]int {
	var widths [numCols]int
	note := 0
	for i := range rows {
		note = max(note, min(utf8.RuneCountInString(rows[i].notes), 12))
	}
	over := 2*numCols + note - width
	for col := range numCols {
		for i := range rows {
			widths[col] = max(widths[col], rows[i].width(col))
		}
		over += widths[col]
	}
	for _, shrink := range []struct{ col, least int }{{colName, 24}, {colTree, 24}, {colName, 12}} {
		if less := min(over, widths[shrink.col]-shrink.least); less > 0 {
			widths[shrink.col] -= less
			over -= less
		}
	}
	return widths
}
