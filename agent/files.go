package agent

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/tail"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// files is the path of log files: tail.Tailer --lines--> accesslog.Lines --entries--> source.accept.
type files struct {
	*tail.Tailer
	inlet *fileInlet
	lost  int64 // spans that were lost, as of halt
}

// follow begins to follow the files that c names, nil if there are none.
func (p *Pipeline) follow(c *config.Config, log *slog.Logger) (*files, error) {
	o := &c.Receive.Files
	if len(o.Paths) == 0 {
		return nil, nil
	}
	in, err := p.fileInlet(&c.Receive)
	if err != nil {
		return nil, err
	}
	t, err := tail.Open(tail.Options{Paths: o.Paths, Positions: o.Positions, MaxLine: int(o.MaxLine), Settled: p.settled, Log: log}, in.take)
	if err != nil {
		return nil, fmt.Errorf("cannot follow log files (receive.files): %w", err)
	}
	return &files{Tailer: t, inlet: in}, nil
}

func (f *files) run() {
	if f != nil {
		go f.Run()
	}
}

// halt ends the reading, when what was read last has been taken.
func (f *files) halt() {
	if f != nil {
		f.lost = f.inlet.p.lost()
		f.inlet.stop.Store(true)
		f.Stop()
	}
}

// done saves how far files were read, when everything has left. If not everything could, a next start reads some lines again.
func (f *files) done(log *slog.Logger) {
	if f == nil || f.inlet.p.lost() > f.lost {
		return
	}
	if err := f.Save(); err != nil {
		log.Error("how far log files were read is not saved", "error", err)
	}
}

// lost counts the spans that there was no room or no time for.
func (p *Pipeline) lost() int64 {
	return p.Spans.Dropped[ledger.SpanFull].Load() + p.Spans.Dropped[ledger.SpanShutdown].Load()
}

// settling is how long what was handed over may take until it is seen to wait, or to be written.
const settling = time.Second

// settled gives the time before which everything that came has left for good: nothing of it waits for its partner, or to be sent.
func (p *Pipeline) settled() time.Time {
	at := time.Now().Add(-settling)
	if since := p.oldest.Load(); since != 0 {
		if came := p.began.Add(time.Duration(since) - time.Second); came.Before(at) { // see clock
			at = came
		}
	}
	if o := p.core.Oldest(); !o.IsZero() && o.Before(at) {
		at = o
	}
	return at
}

// fileInlet takes the lines of files. It belongs to one goroutine.
type fileInlet struct {
	*source
	lines *accesslog.Lines
	nodes map[string]string // by glob
	node  string            // of all files
	stop  atomic.Bool

	path string // of the file at hand
	id   accesslog.Identifier

	Other atomic.Int64 // lines that are no access log
}

func (p *Pipeline) fileInlet(c *config.Receive) (*fileInlet, error) {
	fields, err := logFields(c)
	if err != nil {
		return nil, err
	}
	return &fileInlet{source: p.source(netip.Addr{}, spanbuilder.FromFile), lines: accesslog.NewLines(fields), nodes: c.Files.Nodes}, nil
}

// logFields tells what values in lines and records are.
func logFields(c *config.Receive) (*accesslog.Fields, error) {
	return accesslog.NewFields(c.Fields, spanbuilder.TraceTag, spanbuilder.SpanTag)
}

// take takes lines of one file. A file can wait, so nothing is dropped for want of room.
func (f *fileInlet) take(b *tail.Batch) {
	f.hold()
	if f.path != b.Path {
		f.path, f.id = b.Path, writerOf(b.Path, f.nodes)
		if f.node != "" {
			f.id.Node.ID = []byte(f.node)
		}
	}
	f.lines.Messages(f.id, b.File, b.Lines, f.accept)
	f.Other.Add(int64(f.lines.Other))
	f.lines.Other = 0
}

// fullEnough is the share of the batching core from which files wait, in percent: what comes from elsewhere has the rest.
const fullEnough = 50

// hold waits until there is room, or the agent stops.
func (f *fileInlet) hold() {
	for f.p.core.Percent() > fullEnough && !f.stop.Load() {
		f.p.core.Pace(fullEnough, 100*time.Millisecond)
	}
}

// The paths of the logs of a pod's containers: NAMESPACE_POD_UID/CONTAINER/FILE and POD_NAMESPACE_CONTAINER-ID.log. No name has an
// underscore in it.
var (
	podLog       = regexp.MustCompile(`([^/_]+)_([^/_]+)_[^/_]+/([^/]+)/[^/]+$`)
	containerLog = regexp.MustCompile(`([^/_]+)_([^/_]+)_([^/_]+)-[0-9a-f]{64}\.log[^/]*$`)
)

// istioProxy is the container whose Envoy has the pod and its namespace in its node id.
const istioProxy = "istio-proxy"

// writerOf tells who writes a file: the Envoy that nodes has for it, by the longest glob that matches, or that of the pod in its path.
func writerOf(path string, nodes map[string]string) (id accesslog.Identifier) {
	var container string
	if m := podLog.FindStringSubmatch(path); m != nil {
		id.Namespace, id.Pod, container = m[1], m[2], m[3]
	} else if m := containerLog.FindStringSubmatch(path); m != nil {
		id.Pod, id.Namespace, container = m[1], m[2], m[3]
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	if container != "" {
		name = container
	}
	id.LogName = []byte(name)
	node := id.Pod
	if container == istioProxy {
		node += "." + id.Namespace
	}
	longest := ""
	for glob, is := range nodes {
		if ok, _ := filepath.Match(glob, path); ok && (len(glob) > len(longest) || len(glob) == len(longest) && glob > longest) {
			longest, node = glob, is
		}
	}
	id.Node = wire.Node{ID: []byte(node)}
	return id
}
