package spanbuilder

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// target is the request's path, split.
type target struct{ path, query []byte }

// sentPath gives the path that the caller sent; Envoy keeps it when it rewrites the path.
func sentPath(e *wire.Entry) []byte {
	if len(e.Text(wire.OriginalPath)) > 0 {
		return e.Text(wire.OriginalPath)
	}
	return e.Text(wire.Path)
}

func splitTarget(p []byte) target {
	path, query, _ := bytes.Cut(p, []byte{'?'})
	return target{path, query}
}

func withoutUser(authority []byte) []byte {
	return authority[bytes.LastIndexByte(authority, '@')+1:]
}

// splitAuthority splits host and port; the port is 0 when there is none. An IPv6 address loses its brackets.
func splitAuthority(authority []byte) (host []byte, port int64) {
	host = withoutUser(authority)
	if end := bytes.IndexByte(host, ']'); end > 0 && host[0] == '[' {
		if rest := host[end+1:]; len(rest) > 0 && rest[0] == ':' {
			port, _ = parsePort(rest[1:])
		}
		return host[1:end], port
	}
	name, digits, found := bytes.Cut(host, []byte{':'})
	if !found || bytes.IndexByte(digits, ':') >= 0 {
		return host, 0 // no port, or a bare IPv6 address
	}
	if port, ok := parsePort(digits); ok {
		return name, port
	}
	return host, 0
}

// parsePort gives the port in b; an empty or impossible one is 0. It gives false when b is not a number.
func parsePort(b []byte) (port int64, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	n, err := strconv.ParseUint(string(b), 10, 16)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	if err != nil {
		n = 0
	}
	return int64(n), true
}

func defaultPort(scheme []byte) int64 {
	switch string(scheme) {
	case "http":
		return 80
	case "https":
		return 443
	}
	return 0
}
