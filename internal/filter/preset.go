package filter

// preset is a list of conditions on spans with a name.
type preset struct {
	name, text string
}

// Presets are the names of conditions that need not be written.
//
// probes are requests that only ask whether somebody is there: by their User-Agent those of the kubelet, of Knative (the names are
// constants of knative.dev/networking and knative.dev/serving), and of load balancers' and Envoy's health checks; and by Knative's
// header, where it is logged. health_paths are requests for the usual paths of health checks, whoever sends them.
var Presets = map[string][]preset{
	"probes": {
		{"user_agent", `IsMatch(span.attributes["user_agent.original"], "` + probeAgents + `")`},
		{"old_user_agent", `IsMatch(span.attributes["user_agent"], "` + probeAgents + `")`},
		{"older_user_agent", `IsMatch(span.attributes["http.user_agent"], "` + probeAgents + `")`},
		{"knative_header", `span.attributes["http.request.header.k-network-probe"] != nil`},
	},
	"health_paths": {
		{"path", `IsMatch(span.attributes["url.path"], "` + healthPaths + `")`},
		{"old_path", `IsMatch(span.attributes["http.path"], "` + healthPaths + `")`},
		{"target", `IsMatch(span.attributes["http.target"], "` + healthPaths + `")`},
		{"url", `IsMatch(span.attributes["http.url"], "^[a-z]+://[^/]+(/livez|/readyz|/healthz|/health|/-/healthy|/-/ready)$")`},
		{"route", `IsMatch(span.attributes["http.route"], "` + healthPaths + `")`},
	},
}

const (
	probeAgents = `^(kube-probe/|Knative-Ingress-Probe|Knative-Activator-Probe|Knative-Queue-Proxy-Probe|GoogleHC/|ELB-HealthChecker/|` +
		`Amazon-Route53-Health-Check-Service|Load Balancer Agent|Edge Health Probe|Envoy/HC|Consul Health Check)`
	healthPaths = `^(/livez|/readyz|/healthz|/health|/-/healthy|/-/ready)$`
)
