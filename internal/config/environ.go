package config

import (
	"net/url"
	"strings"
	"time"
)

// environment sets the keys that the file does not set from the variables that the OpenTelemetry specification has for
// OTLP exporters (specification, protocol/exporter.md). As there, an empty variable is an unset one.
func (l *loader) environment(n *node, path string) {
	for _, k := range n.keys {
		path := join(path, k.name)
		l.environment(k, path)
		for _, name := range k.envNames() {
			text, _ := l.lookup(name)
			if _, set := l.from[path]; text != "" && !set {
				l.from[path] = origin{variable: name}
				l.fromVariable(k, text, path)
			}
		}
	}
}

// fromVariable reads the text of a variable into the key k. Durations are milliseconds there, maps are lists of
// name=value with percent-encoded values.
func (l *loader) fromVariable(k *node, text, path string) {
	from := l.from[path]
	switch field := k.at.(type) {
	case *map[string]string:
		values := map[string]string{}
		for entry := range strings.SplitSeq(text, ",") {
			name, value, ok := strings.Cut(entry, "=")
			value, err := url.PathUnescape(strings.TrimSpace(value))
			switch {
			case strings.TrimSpace(entry) == "":
			case !ok || err != nil:
				l.fail(from, path, "wants name=value,name=value with percent-encoded values")
			default:
				l.put(k, values, strings.TrimSpace(name), scalar{text: value}, from, path)
			}
		}
		*field = values
		return
	case *time.Duration:
		if strings.Trim(text, "0123456789") != "" {
			l.fail(from, path, "%q is not a whole number of milliseconds", text)
			return
		}
		text += "ms"
	}
	if err := k.set(scalar{text: text, kind: expandedScalar}); err != nil {
		l.fail(from, path, "%v", err)
	}
}
