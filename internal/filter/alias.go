package filter

import (
	"slices"
	"strconv"
)

// aliases are the names that Envoy's tracers, older conventions and Zipkin's instrumentations have for what spans that are made
// from entries say by the stable conventions. A rule that asks for one of them finds it, with the type that Envoy's tracers give
// it, unless the span has an attribute of that very name.
var aliases = map[string]alias{
	"upstream_cluster":            same("envoy.upstream_cluster"),
	"upstream_cluster.name":       same("envoy.upstream_cluster"),
	"upstream_address":            same("envoy.upstream_address"),
	"peer.address":                same("network.peer.address"),
	"user_agent":                  same("user_agent.original"),
	"http.user_agent":             same("user_agent.original"),
	"http.method":                 same("http.request.method"),
	"http.status_code":            text("http.response.status_code"),
	"http.scheme":                 same("url.scheme"),
	"http.path":                   same("url.path"),
	"http.client_ip":              same("client.address"),
	"http.flavor":                 same("network.protocol.version"),
	"http.protocol":               {from: []string{"network.protocol.version"}, make: httpProtocol},
	"http.host":                   {from: []string{"server.address", "server.port"}, make: authority},
	"http.target":                 {from: []string{"url.path", "url.query"}, make: target},
	"http.url":                    {from: []string{"url.full", "url.scheme", "server.address", "server.port", "url.path", "url.query"}, make: wholeURL},
	"url.full":                    {from: []string{"http.url", "url.scheme", "server.address", "server.port", "url.path", "url.query"}, make: wholeURL},
	"net.host.name":               same("server.address"),
	"net.host.port":               same("server.port"),
	"net.peer.ip":                 same("network.peer.address"),
	"net.sock.peer.addr":          same("network.peer.address"),
	"net.sock.peer.port":          same("network.peer.port"),
	"guid:x-request-id":           same("envoy.request_id"),
	"request_size":                text("http.request.body.size"),
	"response_size":               text("http.response.body.size"),
	"http.request_content_length": same("http.request.body.size"),
	"response_flags":              {from: []string{"envoy.response_flags"}, make: orDash, always: true},
	"component":                   {always: true, make: func(*View, []value) value { return textValue([]byte("proxy")) }},
	// The other way round, for spans that Envoy has made and an entry has completed.
	"envoy.upstream_cluster":    same("upstream_cluster"),
	"user_agent.original":       same("user_agent"),
	"http.request.method":       same("http.method"),
	"http.response.status_code": {from: []string{"http.status_code"}, make: number},
}

// alias makes a value of those of other attributes.
type alias struct {
	from   []string
	make   func(*View, []value) value
	always bool // it makes one of nothing, too
}

func same(key string) alias {
	return alias{from: []string{key}, make: func(_ *View, is []value) value { return is[0] }}
}

// text is a number as Envoy's tracers write it: as text.
func text(key string) alias {
	return alias{from: []string{key}, make: func(v *View, is []value) value {
		if is[0].kind != isInt {
			return is[0]
		}
		return v.compose(func(b []byte) []byte { return strconv.AppendInt(b, int64(is[0].bits), 10) })
	}}
}

func number(_ *View, is []value) value {
	if n, err := strconv.ParseInt(string(is[0].bytes), 10, 64); is[0].kind == isText && err == nil {
		return intValue(n)
	}
	return is[0]
}

func orDash(_ *View, is []value) value {
	if is[0].kind == isNil {
		return textValue([]byte("-"))
	}
	return is[0]
}

func httpProtocol(v *View, is []value) value {
	if is[0].kind != isText {
		return is[0]
	}
	return v.compose(func(b []byte) []byte { return append(append(b, "HTTP/"...), is[0].bytes...) })
}

func authority(v *View, is []value) value {
	if is[0].kind != isText || is[1].kind != isInt {
		return is[0]
	}
	return v.compose(func(b []byte) []byte { return appendAuthority(b, is) })
}

func appendAuthority(b []byte, is []value) []byte {
	if slices.Contains(is[0].bytes, ':') {
		b = append(append(append(b, '['), is[0].bytes...), ']')
	} else {
		b = append(b, is[0].bytes...)
	}
	if is[1].kind == isInt {
		b = strconv.AppendUint(append(b, ':'), is[1].bits, 10)
	}
	return b
}

func target(v *View, is []value) value {
	if is[0].kind != isText || is[1].kind != isText {
		return is[0]
	}
	return v.compose(func(b []byte) []byte { return appendTarget(b, is) })
}

func appendTarget(b []byte, is []value) []byte {
	b = append(b, is[0].bytes...)
	if is[1].kind == isText {
		b = append(append(b, '?'), is[1].bytes...)
	}
	return b
}

// wholeURL is the URL by the other name, else put together.
func wholeURL(v *View, is []value) value {
	if is[0].kind != isNil || is[1].kind != isText || is[2].kind != isText {
		return is[0]
	}
	return v.compose(func(b []byte) []byte {
		b = append(append(b, is[1].bytes...), "://"...)
		return appendTarget(appendAuthority(b, is[2:4]), is[4:6])
	})
}

// compose puts a text together that lives as long as the view looks at this span.
func (v *View) compose(with func([]byte) []byte) value {
	n := len(v.room)
	v.room = with(v.room)
	return textValue(v.room[n:len(v.room):len(v.room)])
}
