package config

import "time"

// Metrics is what is told of requests in metrics.
type Metrics struct {
	Requests     bool
	ServiceGraph bool
	LabelSets    int
	Idle         time.Duration
}

// Most gives the bytes that metrics of requests may take.
func (m *Metrics) Most() (n Size) {
	const set, edge = 2900, 500 // of a combination, with all of its exemplars
	if sets := Size(m.LabelSets); m.Requests {
		n = sets * set * 11 / 10 // what goes beyond has some of its own
	}
	if m.ServiceGraph {
		n += Size(m.LabelSets) * edge
	}
	return n
}

func (m *Metrics) declare() *node {
	return section("metrics", "Metrics of all requests that access logs tell of, counted before anything is filtered or sampled. They are served with the "+
		"agent's own at `/metrics`.",
		key("requests", &m.Requests, true,
			"Rate, errors and duration (`alspan_requests_total`, `alspan_request_errors_total`, `alspan_request_duration_seconds`) by service, peer, method, "+
				"route and class of the status."),
		key("service_graph", &m.ServiceGraph, true,
			"Who calls whom, by the names of Tempo's metrics generator (`traces_service_graph_request_total` and so on), which Grafana's service graph reads."),
		key("label_sets", &m.LabelSets, 2000,
			"How many combinations of labels there may be, of requests and of the service graph each. What goes beyond is counted as `other`.",
			between(10, 100_000)),
		key("idle", &m.Idle, 30*time.Minute, "A combination in which nothing was counted for so long is given up.", between(time.Minute, 24*time.Hour)))
}
