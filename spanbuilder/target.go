package spanbuilder

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// target is the request's path, split.
type target struct{ path, query wire.Place }

// sentPath gives the path that the caller sent; Envoy keeps it when it rewrites the path.
func sentPath(e *wire.Entry) wire.Place {
	if p := e.At(wire.OriginalPath); p.Len() > 0 {
		return p
	}
	return e.At(wire.Path)
}

func splitTarget(e *wire.Entry, p wire.Place) target {
	n := p.Len()
	if i := bytes.IndexByte(e.Bytes(p), '?'); i >= 0 {
		return target{p.Part(0, i), p.Part(i+1, n)}
	}
	return target{p, p.Part(n, n)}
}

func withoutUser(authority []byte) []byte {
	if bytes.IndexByte(authority, '@') < 0 { // as nearly always; it is found faster from the left
		return authority
	}
	return authority[bytes.LastIndexByte(authority, '@')+1:]
}

// splitAuthority splits host and port; the port is 0 when there is none. An IPv6 address loses its brackets. The host is
// given by where it begins and ends.
func splitAuthority(authority []byte) (from, to int, port int64) {
	host := withoutUser(authority)
	from, to = len(authority)-len(host), len(authority)
	if end := bytes.IndexByte(host, ']'); end > 0 && host[0] == '[' {
		if rest := host[end+1:]; len(rest) > 0 && rest[0] == ':' {
			port, _ = parsePort(rest[1:])
		}
		return from + 1, from + end, port
	}
	colon := bytes.IndexByte(host, ':')
	if colon < 0 || bytes.IndexByte(host[colon+1:], ':') >= 0 {
		return from, to, 0 // no port, or a bare IPv6 address
	}
	if port, ok := parsePort(host[colon+1:]); ok {
		return from, from + colon, port
	}
	return from, to, 0
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
