package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// lab is what all cases share.
type lab struct {
	agent  string // the program
	jaeger *jaeger
}

// TestMain lets more cases run at a time than there are processors: they wait most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", strconv.Itoa(3*runtime.NumCPU()))
	}
	os.Exit(m.Run())
}

func TestEnvoy(t *testing.T) {
	l := &lab{agent: buildAgent(t), jaeger: startJaeger(t)}
	for _, tool := range append([]toolbox.Tool{toolbox.Envoy()}, toolbox.OtherEnvoys()...) {
		cases, err := loadCases(tool.Version, tool == toolbox.Envoy())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(tool.Version, func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.title(), func(t *testing.T) {
					t.Parallel()
					l.run(t, tool.Version, c)
				})
			}
		})
	}
	t.Run("agents", l.agents)
	t.Run("apps", l.apps)
	t.Run("stop", l.stop)
	t.Run("demo", l.demo)
	t.Run("pods", l.pods)
	t.Run("contour", l.contour)
	t.Run("reload", l.reload)
}

// stop asks the agent to stop while Envoys hold their streams open: it must end those itself, in time, and lose nothing.
func (l *lab) stop(t *testing.T) {
	cases, err := loadCases(toolbox.Envoy().Version, true)
	if err != nil {
		t.Fatal(err)
	}
	c := cases[slices.IndexFunc(cases, func(c *testCase) bool { return c.Name == "none-hops" })]
	c.Agent = map[string]any{"export": map[string]any{"drain": "4s", "batch": map[string]any{"age": "1m"}}}
	s := l.set(t, toolbox.Envoy().Version, c)
	for _, r := range c.Requests {
		if err := r.send(t.Context(), s.envoys[0].address, nil); err != nil {
			t.Fatalf("cannot send %s: %v", r.Name, err)
		}
	}
	wanted := len(c.Requests) * len(c.Envoy.Hops)
	eventually(t, 10*time.Second, func() error {
		page, err := s.agent.metrics()
		if got := page["alspan_spans_made_total"]; err == nil && got != float64(wanted) {
			err = fmt.Errorf("the agent made %v of %d spans", got, wanted)
		}
		return err
	})
	if took, err := s.agent.stop(15 * time.Second); err != nil || took > 5*time.Second {
		t.Errorf("the agent took %s to stop, export.drain is 4s: %v", took, err)
	}
	if got := s.relay.count("caller", "app", "mirror"); got != wanted {
		t.Errorf("%d of %d spans were exported", got, wanted)
	}
}

// stage is what one case has for itself.
type stage struct {
	relay       *relay
	sink        *sink
	app, mirror *upstream
	agent       *alspan
	envoys      []*envoy // in the order of the hops
	callers     int      // spans that callers have sent to the agent
	held        *gate    // what comes last; nil without an order
}

// run plays one case: everything is started, the requests are sent one after the other, and when the agent is idle
// what it sent is compared with what is wanted, with Envoy's own account, and with what Jaeger has.
func (l *lab) run(t *testing.T, version string, c *testCase) {
	s := l.set(t, version, c)
	for i, r := range c.Requests {
		if r.Idle {
			s.settle(t, c, c.Requests[:i])
			if s.held != nil {
				s.held.close()
			}
		}
		began := time.Now()
		if err := r.send(t.Context(), s.envoys[0].address, s.app.whenArrived(r.Name)); err != nil {
			t.Fatalf("cannot send %s: %v", r.Name, err)
		}
		_, contexts := r.contextHeaders()
		for _, ids := range contexts { // an instrumented caller reports its own span
			if c.Envoy.Callers {
				s.callers += reportZipkin(t, s.agent.zipkin, r, ids, began)
				continue
			}
			s.relay.report("caller", r.Name, "CLIENT", traceContext{Trace: ids[0]}, ids[1], began, time.Now())
		}
	}
	s.app.busy.Wait()
	s.mirror.busy.Wait()
	s.release(t, c)
	page := s.settle(t, c, c.Requests)

	views := s.views(t, c)
	shared := map[string]string{}
	for _, v := range views {
		v.name(shared)
		if want, got := c.Want[v.Name], v.lines(); !slices.Equal(want, got) && !slices.Equal(want, []string{"whatever"}) {
			if *update {
				wants(t, c, version, v.Name, got)
			}
			t.Errorf("%s:\n got  %s\n want %s", v.Name, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
		}
		for _, s := range v.made {
			v.check(t, s)
		}
	}
	if got := page.counts(); c.Pasted != "" && !slices.Equal(got, c.Counts) {
		if *update {
			wants(t, c, version, counts, got)
		}
		t.Errorf("%s:\n got  %s\n want %s", counts, strings.Join(got, "\n      "), strings.Join(c.Counts, "\n      "))
	}
	checkJoins(t, views, page)
	for _, err := range s.sink.failed {
		t.Error(err)
	}
	checkAll(t, s.relay.all(), c)
	l.checkJaeger(t, s.relay.all())

	if err := page.balanced(); err != nil {
		t.Error(err)
	}
	for _, e := range s.envoys {
		e.stop(5 * time.Second) // the agent waits for idle streams, see TestEnvoy/stop
	}
	if took, err := s.agent.stop(15 * time.Second); err != nil || took > 10*time.Second {
		t.Errorf("the agent took %s to stop: %v", took, err)
	}
	for _, bad := range []string{"panic", "DATA RACE", "level=ERROR"} {
		if strings.Contains(s.agent.out.String(), bad) {
			t.Errorf("the agent wrote %q:\n%s", bad, s.agent.out.String())
		}
	}
	if t.Failed() {
		t.Logf("the agent counted:\n%s", page.nonzero())
		return
	}
	breakEach(t, page)
}

// set starts the peers and the processes of a case, from the far end to the near one.
func (l *lab) set(t *testing.T, version string, c *testCase) *stage {
	t.Helper()
	s := &stage{relay: startRelay(t, l.jaeger.otlp), sink: startSink(t)}
	b3 := c.Envoy.Tracing == "zipkin"
	s.app = startUpstream(t, "app", b3, s.relay.report)
	s.mirror = startUpstream(t, "mirror", b3, s.relay.report)
	dir := t.TempDir()
	s.agent = startAgent(t, l.agent, merge(c.agentConfig(s.relay.address, dir), c.Agent), c.Pasted)
	als, spans := s.gates(t, c)
	otlp, web, zipkin := s.sink.grpc, s.sink.web, s.sink.web
	if c.sendsTraces() {
		otlp, web = startTap(t, s.sink, spans).address, startTap(t, s.sink, s.agent.http).address
		zipkin = startTap(t, s.sink, s.agent.zipkin).address
	}
	dead := deadAddress(t)
	next := s.app.address
	for _, hop := range slices.Backward(c.Envoy.Hops) {
		e := startEnvoy(t, version, bootstrap{envoyFlags: c.Envoy, Name: hop, Silent: !c.sendsALS(), Exact: knowsSpanID(version), Lines: c.Envoy.lines(dir, hop), Agent: als,
			Sink: s.sink.grpc, OTLP: otlp, OTLPWeb: web, Zipkin: zipkin, App: s.app.address, Unix: s.app.unix, Mirror: s.mirror.address, Next: next, Dead: dead})
		next = e.address
		s.envoys = slices.Insert(s.envoys, 0, e)
	}
	return s
}

// agentConfig is the agent's configuration in a case that has nothing special. The waits are short, and so are those of the
// tracers' flushes; where only one of the signals comes nothing needs to wait.
func (c *testCase) agentConfig(upstream, dir string) map[string]any {
	wait, spanWait := "200ms", "200ms"
	switch c.Signal {
	case "both", lateSpans, lateEntries:
		wait, spanWait = "3s", "2500ms" // an Envoy that has just started may take a second to log
	case entriesFirst, spansFirst:
		wait, spanWait = "20s", "20s" // until the others are let through
	}
	if len(c.Envoy.Forms) > 1 { // until the best of them has come
		spanWait = "2500ms"
	}
	config := basicConfig(upstream, wait, spanWait)
	if c.Envoy.inFiles() {
		merge(config, m{"receive": m{"files": c.Envoy.followed(dir)}})
	}
	return config
}

func basicConfig(upstream, wait, spanWait string) map[string]any {
	return map[string]any{
		"receive": map[string]any{"grpc": map[string]any{"address": "127.0.0.1:0"},
			"http": map[string]any{"address": "127.0.0.1:0"}, "zipkin": map[string]any{"address": "127.0.0.1:0"}},
		"correlate": map[string]any{"wait": wait, "span_wait": spanWait},
		"export":    map[string]any{"endpoint": "http://" + upstream, "batch": map[string]any{"age": "50ms"}},
		"admin":     map[string]any{"address": "127.0.0.1:0"},
	}
}

// sendsALS and sendsTraces tell what the agent gets.
func (c *testCase) sendsALS() bool    { return c.Signal != "traces" }
func (c *testCase) sendsTraces() bool { return c.Signal != "als" }

// knowsSpanID says whether a version has the formatter %SPAN_ID%.
func knowsSpanID(version string) bool { return version >= "1.38" }

// views gathers by request what Envoys, upstreams and the agent said of it.
func (s *stage) views(t *testing.T, c *testCase) []*view {
	t.Helper()
	var views []*view
	byName := map[string]*view{}
	for _, r := range c.Requests {
		v := &view{request: r, hops: c.Envoy.Hops, envoyFlags: &c.Envoy, seen: s.app.seen(r.Name), mirrored: s.mirror.seen(r.Name)}
		v.passes, v.children = s.sink.of(r.Name)
		views = append(views, v)
		byName[r.Name] = v
	}
	var lost []record
	for _, e := range s.envoys {
		for _, r := range readRecords(t, e) {
			if v := byName[nameOf(r.Path)]; r.Type == "UpstreamEnd" && v != nil {
				v.tries = append(v.tries, r)
			} else if r.Type != "DownstreamEnd" {
				continue
			} else if r.Length = s.sink.length(r); v != nil {
				v.records = append(v.records, r)
			} else {
				lost = append(lost, r)
			}
		}
	}
	// A request that Envoy refused before it had read its path can only be told by what is left.
	var nameless *view
	for _, v := range views {
		if len(v.records) == 0 && nameless == nil {
			nameless = v
			v.records = lost
		}
	}
	for _, v := range views {
		slices.SortStableFunc(v.passes, func(a, b ownSpan) int {
			return cmp.Or(cmp.Compare(slices.Index(v.hops, a.Hop), slices.Index(v.hops, b.Hop)), cmp.Compare(v.ended(a), v.ended(b)))
		})
	}
	if nameless == nil && len(lost) > 0 {
		t.Errorf("Envoy logged requests that nobody sent: %+v", lost)
	}
	var made []*span
	for _, span := range s.relay.all() {
		if slices.Contains(c.Envoy.Hops, span.Service) {
			made = append(made, span)
		} else if v := byName[span.Name]; v != nil {
			v.others = append(v.others, span)
		} else {
			t.Errorf("unknown span of service %q: %v", span.Service, span.Span)
		}
	}
	byTrace := map[string]*view{}
	for _, v := range views {
		_, contexts := v.contextHeaders()
		for _, c := range contexts {
			byTrace[c[0]] = v
		}
	}
	for _, span := range made {
		v := cmp.Or(byName[spanRequest(span, made)], byTrace[span.trace()])
		if v == nil {
			v = nameless
		}
		if v == nil {
			t.Errorf("the agent made a span of no request: %v", span.Span)
			continue
		}
		v.made = append(v.made, span)
	}
	return views
}

// spanRequest gives the name of the request that a span is about, by its own path or by its parent's.
func spanRequest(s *span, made []*span) string {
	if name := cmp.Or(nameOf(cmp.Or(s.text("url.path"), s.text("rpc.method"))), nameOfURL(cmp.Or(s.text("http.url"), s.text("url.full")))); name != "" {
		return name
	}
	for _, p := range made {
		if p != s && p.id() == s.parent() && p.trace() == s.trace() {
			return spanRequest(p, made)
		}
	}
	return ""
}
