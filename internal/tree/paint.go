package tree

import (
	"strings"
	"unicode/utf8"
)

// Color is an ANSI "select graphic rendition" code.
type Color string

// The colours of traces, for what else is printed beside them.
const (
	Bold    Color = "1"
	Dim     Color = "2"
	Red     Color = "31"
	Green   Color = "32"
	Yellow  Color = "33"
	Blue    Color = "34"
	Magenta Color = "35"
	Cyan    Color = "36"
)

// Painter paints texts for a terminal, if it is on.
type Painter struct{ On bool }

// Paint gives s in that colour.
func (p Painter) Paint(c Color, s string) string {
	if !p.On || s == "" || c == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// write adds a row's line and what stands below it. Cells are padded before they are painted.
func (r *row) write(b *strings.Builder, widths [numCols]int, p Painter, width int) {
	var line strings.Builder
	pad := 0 // spaces owed; they are written only before something
	put := func(s string, c Color) {
		if s != "" {
			line.WriteString(strings.Repeat(" ", pad))
			line.WriteString(p.Paint(c, s))
			pad = 0
		}
	}
	for col := range numCols {
		w := widths[col]
		if col > 0 {
			pad += 2
		}
		s := r.cells[col]
		switch col {
		case colTree:
			drawing := tail(r.drawing, w-min(utf8.RuneCountInString(s), 8)) // room for some of the service
			s = fit(s, w-utf8.RuneCountInString(drawing))
			put(drawing, Dim)
			put(s, Cyan)
			pad += w - utf8.RuneCountInString(drawing+s)
		case colName:
			s = fit(s, w)
			path := ""
			if left := w - utf8.RuneCountInString(s) - 1; r.path != "" && left > 1 {
				path = fit(r.path, left)
			}
			put(s, Bold)
			used := utf8.RuneCountInString(s)
			if path != "" {
				pad++
				put(path, "")
				used += 1 + utf8.RuneCountInString(path)
			}
			pad += w - used
		case colDuration, colOffset: // to the right
			pad += w - utf8.RuneCountInString(s)
			put(s, r.color(col))
		default:
			s = fit(s, w)
			put(s, r.color(col))
			pad += w - utf8.RuneCountInString(s)
		}
	}
	used := 2 * (numCols - 1)
	for _, w := range widths {
		used += w
	}
	inline := r.notes == "" || used+2+utf8.RuneCountInString(r.notes) <= width
	if inline {
		pad += 2
		put(r.notes, Yellow)
	}
	b.WriteString(line.String())
	b.WriteByte('\n')
	if !inline {
		b.WriteString(p.Paint(Dim, r.below) + p.Paint(Yellow, fit(r.notes, width-utf8.RuneCountInString(r.below))) + "\n")
	}
	r.writeEvents(b, p, width)
}

// writeEvents adds a row's events, on as many lines as they need.
func (r *row) writeEvents(b *strings.Builder, p Painter, width int) {
	room := width - utf8.RuneCountInString(r.below)
	line := ""
	end := func() {
		if line != "" {
			b.WriteString(p.Paint(Dim, r.below+line))
			b.WriteByte('\n')
		}
	}
	for _, e := range r.events {
		switch {
		case line == "":
			line = e
		case utf8.RuneCountInString(line)+3+utf8.RuneCountInString(e) <= room:
			line += " · " + e
		default:
			end()
			line = e
		}
	}
	end()
}

func (r *row) color(col int) Color {
	switch col {
	case colKind:
		switch r.cells[col] {
		case "SERVER":
			return Green
		case "CLIENT":
			return Blue
		case "INTERNAL":
			return Magenta
		}
	case colResult:
		switch {
		case r.failed:
			return Red
		case strings.HasPrefix(strings.TrimSpace(r.cells[col]), "4"):
			return Yellow
		}
	case colOffset:
		return Dim
	}
	return ""
}
