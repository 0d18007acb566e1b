package agent

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/pods"
)

const metricsDoc = "../docs/metrics.md"

// shop is the cluster of docs/metrics.md: a gateway, a service with a sidecar, and one without.
func shop() *pods.Index {
	x := pods.NewIndex()
	for i, p := range []*pods.Pod{
		{Namespace: "edge", Name: "gateway-5f6c9b7d48-l2x9p", Service: "gateway", Detail: &pods.Detail{}},
		{Namespace: "shop", Name: "shop-5f6c9b7d48-l2x9p", Service: "shop", Detail: &pods.Detail{Sidecar: true}},
		{Namespace: "payment", Name: "ledger-5f6c9b7d48-l2x9p", Service: "ledger", Detail: &pods.Detail{}},
	} {
		p.UID, p.Started = p.Name, 1
		x.Set("pod/"+p.Namespace+"/"+p.Name, []pods.Record{{Pod: p, IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(i + 1), 4})}}})
	}
	x.Publish(time.Now())
	return x
}

// hops gives what is logged of request n on its way: by the gateway, by the sidecar of shop when it comes and when that calls ledger.
func hops(n int) (gateway, in, out *alspb.HTTPAccessLogEntry) {
	code := [2]uint32{200, 200}
	if n < 3 {
		code = [2]uint32{500, 503}
	}
	hop := func(took time.Duration, code uint32, cluster, from, to string) *alspb.HTTPAccessLogEntry {
		e := finished(time.Now(), took, "cart", code)
		p := e.CommonProperties
		p.UpstreamCluster, p.DownstreamDirectRemoteAddress, p.UpstreamRemoteAddress = cluster, address(from), address(to)
		p.TimeToFirstUpstreamTxByte, p.TimeToFirstUpstreamRxByte, p.TimeToLastUpstreamRxByte = durationpb.New(time.Millisecond), durationpb.New(took/2), durationpb.New(took-time.Millisecond)
		e.Request.RequestId = fmt.Sprintf("%08x-0f4c-9b5e-8c1d-0123456789ab", n)
		return e
	}
	return hop(32*time.Millisecond, code[0], "outbound|8080||shop.shop.svc.cluster.local", "203.0.113.9", "10.244.2.4"),
		hop(25*time.Millisecond, code[0], "inbound|8080||", "10.244.1.4", "127.0.0.1"),
		hop(10*time.Millisecond, code[1], "outbound|8080||ledger.payment.svc.cluster.local", "10.244.2.4", "10.244.3.4")
}

// What the document shows of a hundred requests is what is counted.
func TestNumbersOfMetricsDoc(t *testing.T) {
	var metrics string
	synctest.Test(t, func(t *testing.T) {
		r := rigOf(t, shop(), nil)
		for n := range 100 {
			gateway, in, out := hops(n)
			r.logs(1, meshMessage(t, "router", "10.244.1.4", "gateway", gateway))
			r.logs(2, meshMessage(t, "sidecar", "10.244.2.4", "shop", in, out))
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(r.p.red)
		metrics = metricsOf(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
		r.end()
	})
	lines := regexp.MustCompile(`(?m)^(alspan_request(s|_errors)_total|traces_service_graph_request_((failed_)?total|.*_sum)){.* [1-9].*\n`)
	want := strings.Join(lines.FindAllString(metrics, -1), "")
	doc := docOf(t, metricsDoc)
	now := regexp.MustCompile("(?s)```text\n.*?```").ReplaceAllLiteralString(doc, "```text\n"+want+"```")
	if diff := cmp.Diff(doc, now); diff != "" || want == "" {
		t.Errorf("the numbers are others; run go test ./agent -run MetricsDoc -update (-document +agent):\n%s", diff)
	}
	if *update {
		if err := os.WriteFile(metricsDoc, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every configuration of the agent in the document can be loaded, and makes metrics of requests as it says.
func TestConfigurationsOfMetricsDoc(t *testing.T) {
	n := 0
	for _, b := range blocksOf(t, metricsDoc) {
		if !strings.HasPrefix(b.text, "metrics:") {
			continue
		}
		n++
		c, err := config.Parse("docs/metrics.md", []byte(b.text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Errorf("%v\n%s", err, b.text)
		} else if has := newRequestMetrics(&c.Metrics) != nil; has != strings.Contains(b.text, "true") {
			t.Errorf("with metrics of requests: %v\n%s", has, b.text)
		}
	}
	if n != 2 {
		t.Errorf("%d configurations", n)
	}
}

// Every metric that the two documents name is there, with the labels and the reasons that they name.
func TestMetricsInDocs(t *testing.T) {
	metrics, _ := afterMinute(t, minute(t, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))[:20], `
sample: {rules: [{conditions: ['span.name == "x"'], action: keep}]}
filter: {trace_conditions: ['span.name == "x"']}
`)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metrics))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{} // names, names with labels, and names with labels and their values
	for name, f := range families {
		for _, m := range f.Metric {
			for _, of := range []string{name, name + "_bucket", name + "_sum", name + "_count"} {
				there[of], there[of+" le"] = true, true
				for _, l := range m.Label {
					there[of+" "+l.GetName()], there[of+" "+l.GetName()+"="+l.GetValue()] = true, true
				}
			}
		}
	}
	for _, file := range []string{samplingDoc, metricsDoc} {
		named := regexp.MustCompile(`\b((?:alspan|traces_service_graph)_[a-z_]+)(?:{([^}]*)})?`).FindAllStringSubmatch(docOf(t, file), -1)
		if len(named) < 10 {
			t.Errorf("%s names %d metrics", file, len(named))
		}
		for _, m := range named {
			if !there[m[1]] {
				t.Errorf("%s: there is no %s", file, m[1])
			}
			for label := range strings.SplitSeq(m[2], ",") {
				label, value, _ := strings.Cut(strings.TrimSpace(label), "=")
				if label != "" && !there[m[1]+" "+label] {
					t.Errorf("%s: %s has no label %s", file, m[1], label)
				}
				if value = strings.Trim(value, `"`); (label == "reason" || label == "by" || label == "decision") && value != "" && !there[m[1]+" "+label+"="+value] {
					t.Errorf("%s: %s has no %s %s", file, m[1], label, value)
				}
			}
		}
	}
}

// The defaults in the two documents are those of the reference, and all keys are there.
func TestDefaultsInDocs(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| (`(?:sample|metrics)\\.[^|]*) \\| ([^|]*) \\|")
	reference := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(docOf(t, "../docs/config.md"), -1) {
		reference[m[1]] = m[2]
	}
	n := 0
	for _, file := range []string{samplingDoc, metricsDoc} {
		for _, m := range row.FindAllStringSubmatch(docOf(t, file), -1) {
			n++
			if want, ok := reference[m[1]]; m[2] != want || !ok {
				t.Errorf("%s: %s is %s, want %q", file, m[1], m[2], want)
			}
		}
	}
	rest := 0
	for key := range reference {
		if strings.Contains(key, "rules[]") && key != "`sample.rules[].goal_rate`" {
			rest++ // they have no default that says anything
		}
	}
	if n != len(reference)-rest {
		t.Errorf("the documents have %d of %d keys", n, len(reference)-rest)
	}
}
