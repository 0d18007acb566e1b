package tree

import (
	"strings"
	"unicode/utf8"
)

// color is an ANSI "select graphic rendition" code.
type color string

const (
	bold    color = "1"
	dim     color = "2"
	red     color = "31"
	green   color = "32"
	yellow  color = "33"
	blue    color = "34"
	magenta color = "35"
	cyan    color = "36"
)

type painter struct{ on bool }

func (p painter) paint(c color, s string) string {
	if !p.on || s == "" || c == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// write adds a row's line and what stands below it. Cells are padded before they are painted.
func (r *row) write(b *strings.Builder, widths [numCols]int, p painter, width int) {
	var line strings.Builder
	pad := 0 // spaces owed; they are written only before something
	put := func(s string, c color) {
		if s != "" {
			line.WriteString(strings.Repeat(" ", pad))
			line.WriteString(p.paint(c, s))
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
			put(drawing, dim)
			put(s, cyan)
			pad += w - utf8.RuneCountInString(drawing+s)
		case colName:
			s = fit(s, w)
			path := ""
			if left := w - utf8.RuneCountInString(s) - 1; r.path != "" && left > 1 {
				path = fit(r.path, left)
			}
			put(s, bold)
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
		put(r.notes, yellow)
	}
	b.WriteString(line.String())
	b.WriteByte('\n')
	if !inline {
		b.WriteString(p.paint(dim, r.below) + p.paint(yellow, fit(r.notes, width-utf8.RuneCountInString(r.below))) + "\n")
	}
	r.writeEvents(b, p, width)
}

// writeEvents adds a row's events, on as many lines as they need.
func (r *row) writeEvents(b *strings.Builder, p painter, width int) {
	room := width - utf8.RuneCountInString(r.below)
	line := ""
	end := func() {
		if line != "" {
			b.WriteString(p.paint(dim, r.below+line))
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

func (r *row) color(col int) color {
	switch col {
	case colKind:
		switch r.cells[col] {
		case "SERVER":
			return green
		case "CLIENT":
			return blue
		case "INTERNAL":
			return magenta
		}
	case colResult:
		switch {
		case r.failed:
			return red
		case strings.HasPrefix(strings.TrimSpace(r.cells[col]), "4"):
			return yellow
		}
	case colOffset:
		return dim
	}
	return ""
}
