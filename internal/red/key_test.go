package red

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestRoutesThatAreNoLabels(t *testing.T) {
	long := strings.Repeat("x", mostRoute)
	for _, c := range []struct{ route, want string }{
		{"", ""},
		{"/a/\xff\xfe/b", "/a/\uFFFD/b"},
		{"/a/\xfe\xff\xfd/b", "/a/\uFFFD/b"}, // a series with the same labels as the one before would break the scrape
		{"\xc3", "\uFFFD"},
		{"/\uFFFD/\x00", "/\uFFFD/\x00"},
		{long, long},
		{long + "/and/more", long},
		{long[1:] + "é", long[1:]},
		{long[2:] + "é", long[2:] + "é"},
		{long[2:] + "\xff", long[2:]},
		{long[3:] + "\xff\xff\xff", long[3:] + "\uFFFD"},
		{strings.Repeat("\xff/", mostRoute), strings.Repeat("\uFFFD/", mostRoute/4)},
	} {
		m := New(Options{Sets: 10, Requests: true})
		meter := m.Meter()
		for range 3 {
			meter.Count(&Request{Route: []byte(c.route)})
		}
		meter.Count(&Request{Route: []byte(c.want)})
		if diff := cmp.Diff(map[string]float64{"server|||" + c.want + "||none": 4}, values(gather(t, m)["alspan_requests_total"])); diff != "" {
			t.Errorf("%q: -want +got\n%s", c.route, diff)
		}
	}
}

func TestNamesThatAreNoLabels(t *testing.T) {
	m := New(Options{Sets: 10, Requests: true, Graph: true})
	meter := m.Meter()
	for _, bad := range []string{"\xff", "\xfe", "\uFFFD"} {
		meter.Count(&Request{Service: "a" + bad, Peer: "b" + bad, Method: "c" + bad, Class: 200, Edge: EdgeCount})
	}
	all := gather(t, m)
	if diff := cmp.Diff(map[string]float64{"server|c\uFFFD|b\uFFFD||a\uFFFD|none": 3}, values(all["alspan_requests_total"])); diff != "" {
		t.Errorf("requests: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(map[string]float64{"b\uFFFD||a\uFFFD": 3}, values(all["traces_service_graph_request_total"])); diff != "" {
		t.Errorf("edges: -want +got\n%s", diff)
	}
}

func TestAppendValid(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 20000 {
		src := make([]byte, r.IntN(20))
		for i := range src {
			src[i] = "/aé\xc3\xe2\x82\xac\xff"[r.IntN(9)]
		}
		whole := bytes.ToValidUTF8(src, []byte("\uFFFD"))
		if got := appendValid(nil, src, 1000); !bytes.Equal(got, whole) {
			t.Fatalf("%q became %q, not %q", src, got, whole)
		}
		most := r.IntN(20)
		got := appendValid(nil, src, most)
		if !bytes.HasPrefix(whole, got) || !utf8.Valid(got) || len(got) > most || len(whole) > len(got) && len(whole[len(got):]) > 0 && len(got)+len(firstRune(whole[len(got):])) <= most {
			t.Fatalf("%q became %q of at most %d bytes", src, got, most)
		}
	}
}

func firstRune(b []byte) []byte {
	_, n := utf8.DecodeRune(b)
	return b[:n]
}

// What each Edge means: the edge, requests, failed ones, and latencies that the server and the client have seen.
func TestEdges(t *testing.T) {
	for _, c := range []struct {
		name                       string
		r                          Request
		edge                       string
		requests, servers, clients float64
	}{
		{"a server counts", Request{Kind: Server, Service: "cart", Peer: "shop", Edge: EdgeCount}, "shop||cart", 1, 1, 0},
		{"a server adds what it has seen", Request{Kind: Server, Service: "cart", Peer: "shop", Edge: EdgeLatency}, "shop||cart", 0, 1, 0},
		{"a client counts", Request{Kind: Client, Service: "shop", Peer: "cart", Edge: EdgeCount}, "shop||cart", 1, 0, 1},
		{"a client adds what it has seen", Request{Kind: Client, Service: "shop", Peer: "cart", Edge: EdgeLatency}, "shop||cart", 0, 0, 1},
		{"a database", Request{Kind: Client, Service: "cart", Peer: "redis", Edge: EdgeVirtual}, "cart|virtual_node|redis", 1, 1, 1},
		{"a client outside", Request{Kind: Server, Service: "gateway", Peer: "cdn", Edge: EdgeVirtual}, "cdn|virtual_node|gateway", 1, 1, 1},
		{"an unknown client", Request{Kind: Server, Service: "gateway", Edge: EdgeVirtual}, "user|virtual_node|gateway", 1, 1, 1},
		{"no edge", Request{Kind: Server, Service: "cart", Peer: "shop"}, "", 0, 0, 0},
		{"a client without a name", Request{Kind: Server, Service: "cart", Edge: EdgeCount}, "", 0, 0, 0},
		{"a server without a name", Request{Kind: Client, Service: "cart", Edge: EdgeVirtual}, "", 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(Options{Sets: 10, Graph: true})
			meter := m.Meter()
			c.r.Duration, c.r.Failed = 250*time.Millisecond, true
			meter.Count(&c.r)
			all := gather(t, m)
			for name, n := range map[string]float64{"request_total": c.requests, "request_failed_total": c.requests, "request_server_seconds": c.servers, "request_client_seconds": c.clients} {
				f := all["traces_service_graph_"+name]
				want := map[string]float64{}
				if n > 0 {
					want[c.edge] = n
				}
				if diff := cmp.Diff(want, values(f)); diff != "" {
					t.Errorf("%s: -want +got\n%s", name, diff)
				}
				for _, m := range f.GetMetric() {
					if h := m.GetHistogram(); h != nil && (h.GetSampleSum() != 0.25 || h.Schema != nil) {
						t.Errorf("%s: %v", name, h)
					}
				}
			}
		})
	}
}
