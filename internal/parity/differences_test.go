package parity

// differences are known and wanted: what alspan does otherwise, by configuration.
var differences = table(map[string][]string{
	"the collector refuses the whole request; alspan drops the spans on which the condition failed, and no other": {
		"errors/propagate", "errors/propagate-event", "errors/propagate-group", "errors/propagate-later-match", "errors/propagate-resource",
		"errors/propagate-today", "errors/propagate-upper-case",
	},
	"nothing is known of requests to a collector, which otelcol is about": {"paths/otelcol-metadata", "paths/otelcol-grpc"},
	"metrics and logs are not filtered, which is said":                    {"forms/other-signals"},
	"a filter has conditions, and no include and exclude": {
		"actions-match/filter-include", "actions-match/filter-exclude", "actions-match/filter-include-and-exclude",
	},
	"actions are done on all spans": {
		"actions-match/services", "actions-match/services-pattern", "actions-match/services-missing", "actions-match/span-names",
		"actions-match/span-names-pattern", "actions-match/span-kinds", "actions-match/span-kinds-pattern", "actions-match/attributes",
		"actions-match/attributes-present", "actions-match/attributes-number", "actions-match/attributes-text-number",
		"actions-match/attributes-bool", "actions-match/attributes-all", "actions-match/attributes-pattern",
		"actions-match/attributes-pattern-double", "actions-match/attributes-pattern-list", "actions-match/resources",
		"actions-match/resources-pattern", "actions-match/libraries-two", "actions-match/libraries", "actions-match/libraries-version",
		"actions-match/libraries-no-version", "actions-match/libraries-pattern", "actions-match/several", "actions-match/exclude",
		"actions-match/exclude-pattern", "actions-match/include-and-exclude", "actions-match/include-and-exclude-resources",
	},
	"a list without actions does nothing": {
		"actions-refused/no-actions", "actions-refused/empty-actions", "actions-refused/empty-block", "actions-refused/resource-empty",
	},
	"a value is a text, a number, true, false or a list of them": {"actions/value-map", "actions/value-nested"},
	"a date is the text that it is written as":                   {"actions/value-date"},
	"there is no default_value": {
		"actions/default-value", "actions/default-value-number", "actions/default-value-alone", "actions/default-value-and-value",
		"actions/readme-defaults", "resource/default-value",
	},
	"there is no context of a request": {"actions/from-context-default", "actions/from-context-missing"},
	"no attribute is taken away for not being on a list": {
		"redaction/empty", "redaction/allowed-keys", "redaction/allowed-keys-overruled", "redaction/summary-debug", "redaction/summary-info",
		"redaction/summary-silent",
	},
	"texts alone are masked":                     {"redaction/blocked-values-all-types", "redaction/blocked-values-list", "redaction/blocked-keys-all-types"},
	"there are no allowed values and no summary": {"redaction/allowed-values", "redaction/summary-allowed"},
	"keys are ignored by name":                   {"redaction/ignored-key-patterns"},
	"there is no HMAC":                           {"redaction/hash-hmac-sha256", "redaction/hash-hmac-sha512"},
	"anchors and aliases are not read":           {"yaml/anchor"},
	"a list of conditions is a list":             {"yaml/scalar-list"},
	"a variable that is not set is an error":     {"yaml/env-unset"},
})

// table gives the reason of each configuration.
func table(by map[string][]string) map[string]string {
	t := map[string]string{}
	for reason, names := range by {
		for _, name := range names {
			t[name] = reason
		}
	}
	return t
}
