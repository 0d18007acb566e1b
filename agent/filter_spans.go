package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alspan/alspan/internal/tree"
)

var verdictColors = map[string]tree.Color{"kept": tree.Green, "dropped": tree.Yellow, "trace_dropped": tree.Yellow, "failed": tree.Red}

// spans prints a line for each span, and what there is to say of it below, and how many there are.
func (p *page) spans(list []*triedSpan) {
	p.WriteByte('\n')
	var rows [][]string
	counts := map[string]int{}
	for _, s := range list {
		rows = append(rows, []string{strings.ReplaceAll(s.Verdict, "_", " "), orMark(oneLine(s.Service)), oneLine(s.Name), orMark(s.TraceID[:min(len(s.TraceID), 8)]), orMark(s.SpanID[:min(len(s.SpanID), 8)])})
		counts[s.Verdict]++
	}
	if len(rows) > 0 {
		widths := widthsOf(rows)
		for i, s := range list {
			p.span(s, rows[i], widths)
		}
		p.WriteByte('\n')
	}
	var parts []string
	for _, v := range []string{"kept", "dropped", "trace_dropped", "failed"} {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[v], strings.ReplaceAll(v, "_", " ")))
		}
	}
	sum := plural(len(list), "span")
	if len(parts) > 0 {
		sum += ": " + strings.Join(parts, ", ")
	}
	p.WriteString(sum + "\n")
}

// orMark gives something that can be seen.
func orMark(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *page) span(s *triedSpan, row []string, widths []int) {
	line := ""
	for col, cell := range row {
		space := strings.Repeat(" ", widths[col]-utf8.RuneCountInString(cell)+2)
		switch col {
		case 0:
			cell = p.Paint(verdictColors[s.Verdict], cell)
		case 3, 4:
			cell = p.Paint(tree.Dim, cell)
		}
		line += cell + space
	}
	if s.Verdict != "kept" {
		line += "by " + s.Rule
	}
	if s.Earlier {
		line += ", through an earlier span"
	}
	p.WriteString(strings.TrimRight(line, " ") + "\n")
	if s.Refused != "" {
		p.note("refused", s.Refused+", so the agent does not take it")
	}
	p.others(s)
	for _, e := range s.Errors {
		p.note("error", e.Rule+": "+oneLine(e.Error))
	}
	p.changes("span", s.Changes.Span)
	for _, e := range s.Changes.Events {
		p.changes("event "+oneLine(e.Event), e.Attributes)
	}
	p.changes("resource", s.Changes.Resource)
}

// note prints a line below a span's.
func (p *page) note(what, text string) {
	fmt.Fprintf(p, "    %s %s\n", p.Paint(tree.Dim, what+":"), text)
}

// others prints which rules match beside the one that has decided.
func (p *page) others(s *triedSpan) {
	var also, events []string
	for _, m := range s.Matches {
		switch {
		case m.Events > 0:
			events = append(events, fmt.Sprintf("%s (%d)", m.Rule, m.Events))
		case m.Rule != s.Rule:
			also = append(also, m.Rule)
		}
	}
	if len(also) > 0 {
		p.note("matches, too", strings.Join(also, ", "))
	}
	if s.Events > 0 {
		p.note("events", fmt.Sprintf("%d of %d dropped by %s", s.Events, s.events, strings.Join(events, ", ")))
	}
}

var signs = map[string]string{"added": "+", "changed": "~", "removed": "-"}

// changes prints the keys that change, all in a line, or with their values each in a line of its own.
func (p *page) changes(what string, list []change) {
	var keys []string
	for _, c := range list {
		text := signs[c.What] + " " + oneLine(c.Key)
		if !p.values {
			keys = append(keys, text)
			continue
		}
		switch c.What {
		case "added":
			text += " = " + valueText(c.After)
		case "removed":
			text += ", was " + valueText(c.Before)
		default:
			text += " = " + valueText(c.After) + ", was " + valueText(c.Before)
		}
		p.note(what, text)
	}
	if len(keys) > 0 {
		p.note(what, strings.Join(keys, "  "))
	}
}

func valueText(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return tree.Clean(strings.TrimSpace(b.String()))
}
