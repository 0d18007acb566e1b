package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/alspan/alspan/internal/tree"
)

// writeJSON writes an object with the rules and the warnings, and one for each span.
func (t *trial) writeJSON(w io.Writer) error {
	type rule struct {
		Name      string `json:"name"`
		Condition string `json:"condition"`
		Way       string `json:"way"`
		Matches   int    `json:"matches"`
		Hits      int64  `json:"hits"`
		Errors    int    `json:"errors"`
	}
	head := struct {
		Rules    []rule           `json:"rules"`
		Warnings []map[string]any `json:"warnings"`
	}{[]rule{}, []map[string]any{}}
	for _, r := range t.rules {
		head.Rules = append(head.Rules, rule{r.Name, r.Text, r.Way.String(), r.matches, r.Hits.Load(), r.failures})
	}
	for _, said := range t.said.list {
		m := map[string]any{"message": said.Message}
		said.Attrs(func(a slog.Attr) bool {
			m[a.Key] = a.Value.Any()
			return true
		})
		head.Warnings = append(head.Warnings, m)
	}
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(head); err != nil {
		return err
	}
	for _, s := range t.spans {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	return out.Flush()
}

// printing says how a trial is printed.
type printing struct {
	color  bool
	values bool // of attributes that change
	spans  bool // some were asked for
}

// page is what is printed.
type page struct {
	bytes.Buffer
	tree.Painter
	printing
}

// print writes the rules and what became of each span, for a person.
func (t *trial) print(w io.Writer, o printing) error {
	p := &page{Painter: tree.Painter{On: o.color}, printing: o}
	p.rules(t)
	p.actions(t)
	p.warnings(t.said.list)
	if o.spans {
		p.spans(t.spans)
	}
	_, err := w.Write(p.Bytes())
	return err
}

func (p *page) rules(t *trial) {
	if len(t.rules) == 0 {
		p.WriteString("There are no filters: every span is kept.\n")
		return
	}
	heads := []string{"RULE", "MATCHES", "HITS", "ERRORS", "WAY", "CONDITION"}
	rows := [][]string{heads}
	for _, r := range t.rules {
		matches := fmt.Sprint(r.matches)
		if r.matches == 0 {
			matches = "never"
		}
		rows = append(rows, []string{r.Name, matches, fmt.Sprint(r.Hits.Load()), fmt.Sprint(r.failures), r.Way.String(), oneLine(r.Text)})
	}
	widths := widthsOf(rows)
	for i, row := range rows {
		for col, cell := range row {
			counts := col >= 1 && col <= 3
			if counts && !p.printing.spans {
				continue
			}
			color := tree.Color("")
			switch {
			case i == 0:
				color = tree.Dim
			case cell == "never" || heads[col] == "MATCHES" && cell == "0":
				color = tree.Yellow
			case heads[col] == "ERRORS" && cell != "0":
				color = tree.Red
			}
			space := strings.Repeat(" ", widths[col]-utf8.RuneCountInString(cell))
			switch {
			case col == len(row)-1:
				p.WriteString(p.Paint(color, cell) + "\n")
			case counts:
				p.WriteString(space + p.Paint(color, cell) + "  ")
			default:
				p.WriteString(p.Paint(color, cell) + space + "  ")
			}
		}
	}
}

// actions tells how many there are.
func (p *page) actions(t *trial) {
	c := t.config
	var list []string
	for _, has := range []struct {
		n    int
		what string
	}{{len(c.Attributes.Actions), "attributes.actions"}, {len(c.Resource.Attributes), "resource.attributes"},
		{len(c.Redaction.BlockedValues) + len(c.Redaction.BlockedKeyPatterns), "redaction"}} {
		if has.n > 0 {
			list = append(list, fmt.Sprintf("%s (%d)", has.what, has.n))
		}
	}
	if len(list) > 0 {
		fmt.Fprintf(p, "What is kept is changed by %s.\n", strings.Join(list, ", "))
	}
}

func (p *page) warnings(list []slog.Record) {
	for _, r := range list {
		fmt.Fprintf(p, "\n%s %s\n", p.Paint(tree.Yellow, "warning:"), r.Message)
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintf(p, "  %s: %s\n", a.Key, oneLine(a.Value.String()))
			return true
		})
	}
}

// oneLine gives a text as it can stand in a line of a terminal.
func oneLine(s string) string { return tree.Clean(strings.Join(strings.Fields(s), " ")) }

func widthsOf(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for col, cell := range row {
			widths[col] = max(widths[col], utf8.RuneCountInString(cell))
		}
	}
	return widths
}
