package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// relations checks what no key can tell alone.
func (l *loader) relations(c *Config) {
	l.receiveTLS(&c.Receive.TLS)
	l.exportTLS(&c.Export)
	l.addresses(c)
	for _, name := range c.Correlate.IDTags.SpanID {
		if slices.Contains(c.Correlate.IDTags.TraceID, name) {
			l.relate("%q is also in trace_id", "correlate.id_tags.span_id", "correlate.id_tags.trace_id", name)
		}
	}
	if n := len(c.Spans.Baggage); n > mostBaggage {
		l.relate("it has %d keys, at most %d are accepted", "spans.baggage", "spans.baggage", n, mostBaggage)
	}
	if c.Export.Retry.Max < c.Export.Retry.Initial {
		l.relate("%v is less than retry.initial, %v", "export.retry.max", "export.retry.initial",
			duration(c.Export.Retry.Max), duration(c.Export.Retry.Initial))
	}
	if c.Export.Batch.Bytes > c.Export.Memory {
		l.relate("%v has no room for one batch of %v (export.batch.bytes)", "export.memory", "export.batch.bytes",
			c.Export.Memory, c.Export.Batch.Bytes)
	}
	if c.Export.Logs && c.Export.Batch.Bytes > c.Export.LogsMemory {
		l.relate("%v has no room for one batch of %v (export.batch.bytes)", "export.logs_memory", "export.batch.bytes",
			c.Export.LogsMemory, c.Export.Batch.Bytes)
	}
}

// relate reports a problem of path together with other, at the one of them that is set, and only if both are readable.
func (l *loader) relate(format, path, other string, args ...any) {
	if l.bad[path] || l.bad[other] {
		return
	}
	from, set := l.from[path]
	if !set {
		from = l.from[other]
	}
	l.fail(from, path, format, args...)
}

func (l *loader) receiveTLS(t *ServerTLS) {
	const cert, key, ca = "receive.tls.cert_file", "receive.tls.key_file", "receive.tls.client_ca_file"
	l.certAndKey(t.CertFile, t.KeyFile, cert, key)
	if t.ClientCAFile != "" && t.CertFile == "" {
		l.relate("it needs a cert_file", ca, cert)
	}
}

func (l *loader) certAndKey(certFile, keyFile, certPath, keyPath string) {
	switch {
	case certFile != "" && keyFile == "":
		l.relate("it needs a key_file", certPath, keyPath)
	case certFile == "" && keyFile != "":
		l.relate("it needs a cert_file", keyPath, certPath)
	}
}

func (l *loader) exportTLS(e *Export) {
	l.certAndKey(e.TLS.CertFile, e.TLS.KeyFile, "export.tls.cert_file", "export.tls.key_file")
	if _, secure := e.Target(); secure {
		return
	}
	for _, used := range []struct {
		path string
		yes  bool
	}{
		{"export.tls.ca_file", e.TLS.CAFile != ""},
		{"export.tls.cert_file", e.TLS.CertFile != ""},
		{"export.tls.key_file", e.TLS.KeyFile != ""},
		{"export.tls.server_name", e.TLS.ServerName != ""},
		{"export.tls.insecure_skip_verify", e.TLS.InsecureSkipVerify},
	} {
		// Variables are often set for every workload alike, so only the file shows that TLS is meant.
		if used.yes && l.from[used.path].variable == "" {
			l.relate("the endpoint is plaintext; TLS needs https:// in export.endpoint", used.path, "export.endpoint")
		}
	}
}

// addresses checks that no two listeners want one port, and that spans are not sent to ourselves.
func (l *loader) addresses(c *Config) {
	type listener struct{ path, address string }
	listeners := []listener{
		{"receive.grpc.address", c.Receive.GRPC.Address},
		{"receive.als.address", c.Receive.ALS.Address},
		{"receive.http.address", c.Receive.HTTP.Address},
		{"receive.zipkin.address", c.Receive.Zipkin.Address},
		{"admin.address", c.Admin.Address},
		{"admin.pprof", c.Admin.Pprof},
	}
	for i, b := range listeners {
		for _, a := range listeners[:i] {
			if collide(a.address, b.address) {
				l.relate("%s is taken by %s", b.path, a.path, b.address, a.path)
			}
		}
	}
	target, _ := c.Export.Target()
	for _, own := range listeners[:3] { // those that take gRPC
		if reaches(target, own.address) {
			l.relate("%s is our own %s, spans would go in a circle", "export.endpoint", own.path, target, own.path)
		}
	}
}

// collide tells whether a and b cannot both be listened on. Empty ones collide with nothing, nor does port 0.
func collide(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return a != "" && b != "" && portA == portB && portA != "0" &&
		(strings.EqualFold(hostA, hostB) || unspecified(hostA) || unspecified(hostB) || loopback(hostA) && loopback(hostB))
}

// reaches tells whether dialling target surely reaches the listener.
func reaches(target, listener string) bool {
	host, port, _ := net.SplitHostPort(target)
	own, ownPort, _ := net.SplitHostPort(listener)
	here := loopback(host) || unspecified(host)
	return target != "" && listener != "" && port == ownPort &&
		(strings.EqualFold(host, own) || here && (unspecified(own) || loopback(own)))
}

func unspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// address checks a host:port to listen on; the host may be empty.
func address(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !validHost(host) {
		return "", fmt.Errorf("%q is not host:port or :port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
		return "", fmt.Errorf("%q has no port from 0 to 65535", s)
	}
	return s, nil
}

func loopbackAddress(s string) (string, error) {
	if _, err := address(s); err != nil {
		return "", err
	}
	if host, _, _ := net.SplitHostPort(s); !loopback(host) {
		return "", fmt.Errorf("%q is not a loopback address such as localhost:6060; profiles are not for everybody", s)
	}
	return s, nil
}

func orOff(check func(string) (string, error)) func(string) (string, error) {
	return func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		return check(s)
	}
}

func validHost(host string) bool {
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is6()
	}
	return !strings.ContainsFunc(host, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("-._", r) })
}

func endpoint(s string) (string, error) {
	_, _, err := splitEndpoint(s)
	return s, err
}

// splitEndpoint gives the host:port of an endpoint, and whether its scheme asks for TLS.
func splitEndpoint(s string) (hostPort string, secure bool, err error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "http", s
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return "", false, fmt.Errorf("scheme %q is not http (plaintext) or https (TLS)", scheme)
	}
	if strings.Contains(rest, "@") { // first, so that no other message shows a password
		return "", false, errors.New("it cannot hold a user and a password; export.headers can")
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#") {
		return "", false, fmt.Errorf("%q has a path, which OTLP over gRPC does not have", s)
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil || host == "" || !validHost(host) {
		return "", false, fmt.Errorf("%q is not a host with a port, such as http://otel-collector:4317", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port != strconv.FormatUint(n, 10) {
		return "", false, fmt.Errorf("%q has no port from 1 to 65535", s)
	}
	if port == "14250" {
		return "", false, errors.New("port 14250 is Jaeger's own protocol, which is not sent; Jaeger takes OTLP on port 4317")
	}
	return rest, scheme == "https", nil
}

func notEmpty(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	return s, nil
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// mostBaggage is how many keys of baggage may become attributes.
const mostBaggage = 64

// baggageKey checks a key of W3C Baggage: a token, like a header name, but its case counts.
func baggageKey(s string) (string, error) {
	if _, err := headerName(s); err != nil {
		return "", fmt.Errorf("%q is not a key of baggage", s)
	}
	return s, nil
}

// headerName gives an HTTP field name (RFC 9110, section 5.1) in lower case.
func headerName(s string) (string, error) {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) }) {
		return "", fmt.Errorf("%q is not a header name", s)
	}
	return strings.ToLower(s), nil
}

// metadataName gives a header name that gRPC lets its users send (gRPC over HTTP/2, "Custom-Metadata"), in lower case.
func metadataName(s string) (string, error) {
	name := strings.ToLower(s)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("-._", r) }) {
		return "", fmt.Errorf("%q is not a gRPC header name", s)
	}
	if strings.HasPrefix(name, "grpc-") || strings.HasSuffix(name, "-bin") ||
		slices.Contains([]string{"connection", "content-type", "te", "user-agent"}, name) {
		return "", fmt.Errorf("%q cannot be set: gRPC has its own use for the name", name)
	}
	return name, nil
}

// metadataValue checks a header value. The value is a secret more often than not, so no message repeats it.
func metadataValue(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("the value is not printable ASCII")
	}
	return s, nil
}
