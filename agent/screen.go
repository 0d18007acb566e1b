package agent

import (
	"io"
	"os"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"golang.org/x/term"

	"github.com/alspan/alspan/internal/tree"
)

// screen draws traces as soon as they seem complete.
type screen struct {
	tree *tree.Printer
	stop chan struct{}
	done sync.WaitGroup
}

// drawEvery is how often complete traces are looked for. An Envoy sends its entries every second, so the hops of a trace
// come that far apart.
const (
	drawEvery = 200 * time.Millisecond
	drawQuiet = 2 * time.Second
)

// newScreen draws on out, in colour and as wide as the terminal if out is one.
func newScreen(out io.Writer) *screen {
	o := tree.Options{Events: true, Quiet: drawQuiet, Color: colorful(out)}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = w
		}
	}
	s := &screen{tree: tree.NewPrinter(out, o), stop: make(chan struct{})}
	s.done.Go(s.draw)
	return s
}

// colorful tells whether out is to have colours: it is a terminal, and nobody has said no.
func colorful(out any) bool { return isTerminal(out) && os.Getenv("NO_COLOR") == "" }

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// add takes spans; a screen that cannot be written to loses them.
func (s *screen) add(spans []*tracepb.ResourceSpans) { s.tree.Add(time.Now(), spans) }

func (s *screen) draw() {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.tree.Flush(now)
		case <-s.stop:
			return
		}
	}
}

// close draws what is left.
func (s *screen) close() {
	close(s.stop)
	s.done.Wait()
	s.tree.Close()
}
