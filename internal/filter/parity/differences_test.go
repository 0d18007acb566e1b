package parity

const onlyTheSpan = "the collector refuses the whole request; alspan drops the spans on which the condition failed, and no other"

// differences are known and wanted: what alspan does otherwise, by configuration.
var differences = map[string]string{
	"errors/propagate":             onlyTheSpan,
	"errors/propagate-event":       onlyTheSpan,
	"errors/propagate-group":       onlyTheSpan,
	"errors/propagate-later-match": onlyTheSpan,
	"errors/propagate-resource":    onlyTheSpan,
	"errors/propagate-today":       onlyTheSpan,
	"errors/propagate-upper-case":  onlyTheSpan,
}
