package check_test

import (
	"fmt"
	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestTmp(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	grep := os.Getenv("G")
	w := worlds.Generate(uint64(n))
	var d correlation.Decoder
	p := func(f string, a ...any) {
		s := fmt.Sprintf(f, a...)
		if strings.Contains(s, grep) {
			fmt.Println(s)
		}
	}
	for i := range w.Events {
		es, ss, _ := d.Event(&w.Events[i])
		ev := w.Events[i]
		for _, e := range es {
			p("%9.4f %c%d E %s %s t%d 1.%d rid=%s code=%d start=%.6f dur=%.6f up=%v %v %v", ev.At.Seconds(), ev.Kind, ev.Stream, e.Node[:6], e.Log, e.Type, e.Minor, e.RequestID, e.Code, float64(e.Start-w.Epoch)/1e9, float64(e.Dur)/1e9, e.Up, e.Headers, e.Tags)
		}
		for _, s := range ss {
			p("%9.4f %c S %s %v %s/%s<%s rid=%s code=%d start=%.6f end=%.6f shared=%v %s", ev.At.Seconds(), ev.Kind, s.Service, s.Kind, s.Trace, s.ID, s.Parent, s.RequestID, s.Code, float64(s.Start-w.Epoch)/1e9, float64(s.End-w.Epoch)/1e9, s.Shared, s.Name)
		}
	}
	r, c, err := correlation.Run(w)
	fmt.Println(c, err)
	for _, x := range r {
		rid := ""
		if x.Entry != nil {
			rid = x.Entry.RequestID + " " + x.Entry.Log + " " + strconv.Itoa(x.Entry.Code)
		} else {
			rid = x.Span.RequestID
		}
		p("%9.4f OUT %s %v %s/%s<%s derived=%v below=%v rid=%s", x.At.Seconds(), x.How, x.Kind, x.Trace, x.ID, x.Parent, x.Derived, x.Below, rid)
	}
}
