package spanbuilder

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

var updateReplay = flag.Bool("update-replay", false, "rewrite testdata/knowingly_wrong.txt")

// A replayed is an entry of a recording, what was claimed of it, and what its logged ids really are.
type replayed struct {
	mode, request string
	entry         *wire.Entry
	log           string
	claim         Claim
	logged        *propagation.Context
	truth         []recordings.Role
	own           *recordings.Span // Envoy's exported span of this request, nil when there is none
}

func (r *replayed) String() string {
	return fmt.Sprintf("%s %s %s %d", r.mode, r.request, r.log, r.entry.Code)
}

// replay walks the recording of a mode and claims an identity for each finished request.
func replay(t *testing.T, mode string) []*replayed {
	t.Helper()
	frames, err := recordings.Frames(mode)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := recordings.Facts(mode)
	if err != nil {
		t.Fatal(err)
	}
	relations, err := recordings.Relations()
	if err != nil {
		t.Fatal(err)
	}
	b := New(options())
	loggers := NewLoggers(NewNodes(), nil)
	i := b.Identity()
	streams := map[uint64]*Logger{}
	var out []*replayed
	for _, f := range frames {
		if f.Kind != recordings.KindALS {
			continue
		}
		for m := wire.Read(f.Bytes); m.Next(); {
			switch m.Key {
			case 1<<3 | wire.Bytes:
				var n wire.Node
				var name []byte
				for id := wire.Read(m.Bytes); id.Next(); {
					switch id.Key {
					case 1<<3 | wire.Bytes:
						n.Walk(id.Bytes)
					case 2<<3 | wire.Bytes:
						name = id.Bytes
					}
				}
				streams[f.Stream] = loggers.Find(&n, name, netip.Addr{})
			case 2<<3 | wire.Bytes:
				for list := wire.Read(m.Bytes); list.Next(); {
					e := &wire.Entry{}
					if !e.WalkHTTP(list.Bytes) {
						t.Fatalf("%s: a recorded entry is malformed", mode)
					}
					l := streams[f.Stream]
					switch use, _ := Classify(e, false); use {
					case Teach:
						i.Headers(e)
						i.Learn(e, l)
					case Request:
						r := &replayed{mode: mode, entry: e, log: string(l.logName), claim: *claimOf(i, e, l)}
						r.find(i, facts, relations)
						out = append(out, r)
					}
				}
			}
		}
	}
	return out
}

// find looks up what the recording knows of the entry.
func (r *replayed) find(i *Identity, facts *recordings.Known, relations []recordings.Relation) {
	r.request = "?"
	if parts := strings.Split(string(r.entry.Text(wire.Path)), "/"); len(parts) > 2 {
		name, _, _ := strings.Cut(parts[2], "?")
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "r")); err == nil {
			r.request = facts.Requests[n].Name
		}
	}
	at := slices.IndexFunc(relations, func(x recordings.Relation) bool {
		return x.Mode == r.mode && x.Request == r.request && x.Log == r.log && x.Type == int(r.entry.Type) && x.Code == int(r.entry.Code)
	})
	for f := range propagation.NumFormats {
		if c, ok := i.Set.Get(f); ok && (c.Span == r.claim.Parent || c.Span == r.claim.Up || c.Span == r.claim.Own) && c.Trace.Low() == r.claim.Trace.Low() {
			r.logged = c
			if at >= 0 {
				r.truth = [propagation.NumFormats][]recordings.Role{relations[at].Traceparent, relations[at].XB3, relations[at].B3}[f]
			}
			break
		}
	}
	if r.logged != nil {
		copied := *r.logged
		r.logged = &copied
	}
	start, _ := r.entry.Start.Unix()
	for s := range facts.Spans {
		x := &facts.Spans[s]
		if x.Kind == "SERVER" && uint64(x.Start)/1000 == start/1000 && x.Attr["guid:x-request-id"] == string(r.entry.Text(wire.RequestID)) && x.Attr["http.status_code"] == strconv.Itoa(int(r.entry.Code)) {
			r.own = x
		}
	}
}

func (r *replayed) is(roles ...recordings.Role) bool {
	return slices.ContainsFunc(roles, func(x recordings.Role) bool { return slices.Contains(r.truth, x) })
}

var alsModes = []string{"none", "otel", "otel-spawn", "otel-start", "otel-tags", "otel-logs", "zipkin-shared", "zipkin-spawn-shared"}

// Every claim that is proven agrees with what real Envoys did; what is not proven claims only a parent. Where that default
// is knowingly wrong, the request stands in testdata/knowingly_wrong.txt.
func TestReplayAgreesWithTheRecordings(t *testing.T) {
	var wrong []string
	checked := 0
	for _, mode := range alsModes {
		for _, r := range replay(t, mode) {
			name := rows[r.claim.Row].name
			if r.logged == nil {
				if name != "no_context" && name != "id_tags_other_trace" && name != "id_tags_alone" {
					t.Errorf("%s: row %s without a logged context", r, name)
				}
				continue
			}
			checked++
			proven := name != "unproven" && name != "id_tag"
			own, parent, up := r.claim.Own == r.logged.Span, r.claim.Parent == r.logged.Span, r.claim.Up == r.logged.Span
			if !proven && (own || up || !parent) {
				t.Errorf("%s: row %s claims more than a parent", r, name)
			}
			// "other" is an id that Envoy made and never exported: of an unsampled span, or of a redirect's second pass.
			ok := r.truth == nil || own && r.is(recordings.RoleOwn, recordings.RoleOther) ||
				parent && r.is(recordings.RoleParent, recordings.RoleCaller) ||
				up && r.is(recordings.RoleChild, recordings.RoleOwn, recordings.RoleOther)
			switch {
			case ok:
			case proven:
				t.Errorf("%s: row %s: the logged id is %v (own %v parent %v upstream %v)", r, name, r.truth, own, parent, up)
			default:
				wrong = append(wrong, fmt.Sprintf("%s: %v", r, r.truth))
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d entries were checked", checked)
	}
	sort.Strings(wrong)
	const file = "testdata/knowingly_wrong.txt"
	got := strings.Join(wrong, "\n") + "\n"
	if *updateReplay {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("requests whose default is knowingly wrong (-want +got):\n%s", d)
	}
}

// With start entries the parent is Envoy's own, with id tags the id is, in every request whose span Envoy exported.
func TestReplayIsExactWhereTheEvidenceAllows(t *testing.T) {
	for _, mode := range []string{"otel-start", "otel-tags"} {
		n := 0
		for _, r := range replay(t, mode) {
			// A local reply to a caller that speaks B3 only, behind a tracer that does not: Envoy's new trace is in no header.
			if r.own == nil || mode == "otel-start" && r.request == "direct-b3" {
				continue
			}
			n++
			if r.claim.Trace.String() != r.own.Trace {
				t.Errorf("%s: trace %v, Envoy's is %s", r, r.claim.Trace, r.own.Trace)
			}
			parent := ""
			if !r.claim.Parent.IsZero() {
				parent = r.claim.Parent.String()
			}
			if mode == "otel-start" && parent != r.own.Parent {
				t.Errorf("%s: parent %q, Envoy's is %q", r, parent, r.own.Parent)
			}
			if mode == "otel-tags" && r.claim.Own.String() != r.own.ID {
				t.Errorf("%s: id %v, Envoy's is %s", r, r.claim.Own, r.own.ID)
			}
			if parent != "" && parent != r.own.Parent {
				t.Errorf("%s: parent %q is not Envoy's %q", r, parent, r.own.Parent)
			}
		}
		if n < 30 {
			t.Errorf("%s: only %d requests have a span of Envoy's", mode, n)
		}
	}
}

// No id is given twice, whatever the mode: not to the passes of a redirect, not to the requests of one id.
func TestReplayGivesEveryRequestItsOwnID(t *testing.T) {
	for _, mode := range alsModes {
		seen := map[string]*replayed{}
		for _, r := range replay(t, mode) {
			for _, id := range []propagation.SpanID{r.claim.Own, r.claim.Up} {
				key := r.claim.Trace.String() + id.String()
				if old := seen[key]; !id.IsZero() && old != nil {
					t.Errorf("%s and %s share id %v", old, r, id)
				}
				seen[key] = r
			}
		}
	}
}
