// Package examples takes nothing and gives the example files of the documentation, so that the demo runs the very ones that
// users are told to start from.
package examples

import _ "embed"

// Envoy is envoy.yaml: an Envoy whose requests become spans with exact ids and parents.
//
//go:embed envoy.yaml
var Envoy string
