package parity

import "errors"

// errRefused is wrapped by the errors of a condition that is refused before any span comes.
var errRefused = errors.New("condition refused")

// verdict tells whether alspan drops a span on a condition of the form of before. An error that does not wrap errRefused is
// one of this span. The span, its resource and its scope are encoded messages of OTLP.
func verdict(condition string, resource, scope, span []byte) (drop bool, err error) {
	return false, errors.New("cannot evaluate condition: internal/filter is not there")
}
