// Package alsreceiver takes Envoy access logs (ALS v3) and gives OpenTelemetry log records. It is a stand-in for
// envoyalsreceiver of opentelemetry-collector-contrib, which is not on the Go module proxy, and does the same work: the
// generated messages, one log record per entry with two attributes and the entry's text as its body.
package alsreceiver
