package report

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	panelWidth  = 12 * vg.Centimeter
	panelHeight = 10 * vg.Centimeter
)

// Plot draws the series side by side: CPU for each entry, with the spread as bars, both axes logarithmic.
func (d *Document) Plot(path string, series []string) error {
	panels := make([]*plot.Plot, len(series))
	for i, name := range series {
		var err error
		if panels[i], err = panel(name, d.points(name), i == 0); err != nil {
			return fmt.Errorf("cannot plot %s: %w", name, err)
		}
	}
	canvas := vgsvg.New(panelWidth*vg.Length(len(panels)), panelHeight)
	tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: vg.Millimeter * 6, PadLeft: vg.Millimeter * 2, PadRight: vg.Millimeter * 4, PadTop: vg.Millimeter * 2, PadBottom: vg.Millimeter * 2}
	paper := draw.New(canvas)
	paper.SetColor(color.White)
	paper.Fill(paper.Rectangle.Path())
	for i, c := range plot.Align([][]*plot.Plot{panels}, tiles, paper)[0] {
		panels[i].Draw(c)
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return fmt.Errorf("cannot draw the plot: %w", err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("cannot write the plot: %w", err)
	}
	return nil
}

func panel(name string, points []Table, legend bool) (*plot.Plot, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = name, "CPU us/entry"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	var ticks plot.ConstantTicks
	if len(points) == 0 {
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 1, 10, 1, 10 // a logarithmic axis cannot be empty
		return p, nil
	}
	for _, t := range points {
		ticks = append(ticks, plot.Tick{Value: t.Point, Label: short(t.Point)})
	}
	p.X.Tick.Marker = ticks
	for i, row := range points[0].Rows {
		line, err := newLine(row.System, points)
		if err != nil {
			return nil, err
		}
		if line == nil {
			continue
		}
		l, dots, err := plotter.NewLinePoints(line.XYs)
		if err != nil {
			return nil, fmt.Errorf("cannot draw %s: %w", row.System, err)
		}
		bars, err := plotter.NewYErrorBars(line)
		if err != nil {
			return nil, fmt.Errorf("cannot draw the spread of %s: %w", row.System, err)
		}
		l.Color, dots.Color, bars.Color = plotutil.Color(i), plotutil.Color(i), plotutil.Color(i)
		l.Width, dots.Shape = vg.Points(1.5), plotutil.Shape(i)
		p.Add(l, dots, bars)
		if legend {
			name, _, _ := strings.Cut(row.System, " (")
			p.Legend.Add(name, l, dots)
		}
	}
	p.Y.Min = min(p.Y.Min, 1)
	p.Y.Max *= 4 // room for the legend
	p.Legend.Top = true
	p.Legend.XOffs = -vg.Millimeter // within the panel
	p.Legend.TextStyle.Font.Size = vg.Points(9)
	return p, nil
}

// short writes thousands as k.
func short(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%gk", v/1000)
	}
	return fmt.Sprintf("%g", v)
}

// line is one system's medians with the distance to the least and the largest.
type line struct {
	plotter.XYs
	plotter.YErrors
}

func newLine(system string, points []Table) (*line, error) {
	l := &line{}
	for _, t := range points {
		v := t.row(system).values(cpu)
		if len(v) == 0 {
			continue
		}
		m := median(v)
		low, high := m, m
		for _, x := range v {
			low, high = min(low, x), max(high, x)
		}
		if low <= 0 {
			return nil, fmt.Errorf("cannot put %v on a logarithmic axis", low)
		}
		l.XYs = append(l.XYs, plotter.XY{X: t.Point, Y: m})
		l.YErrors = append(l.YErrors, struct{ Low, High float64 }{m - low, high - m})
	}
	if len(l.XYs) == 0 {
		return nil, nil
	}
	return l, nil
}
