package parity

// differences are known and wanted: what alspan does otherwise, by configuration.
var differences = map[string]string{}
