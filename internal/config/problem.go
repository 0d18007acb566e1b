package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is what is wrong with one place of the file.
type Problem struct {
	Path     string // like filter.traces.span[1]
	Line     int    // 0 if it is not known
	Err      error
	variable string // where the value comes from, if not from the file
}

// Problem says that err was found later about t.
func (t Text) Problem(err error) Problem { return Problem{Path: t.Path, Line: t.Line, Err: err} }

// Problem says that err was found later about a.
func (a *Action) Problem(err error) Problem { return Problem{Path: a.Path, Line: a.Line, Err: err} }

// Problems gives the error that Parse gives for these problems of the file called name: one a line, in the order of the
// file. Without problems it is nil.
func Problems(name string, problems ...Problem) error {
	head := "cannot read configuration"
	if name != "" {
		head += " " + name
	}
	inOrder := slices.SortedStableFunc(slices.Values(problems), func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for _, p := range inOrder {
		parts := []string{head}
		if p.Line > 0 {
			parts = append(parts, "line "+strconv.Itoa(p.Line))
		}
		for _, s := range []string{p.variable, p.Path} {
			if s != "" {
				parts = append(parts, s)
			}
		}
		errs = append(errs, fmt.Errorf("%s: %w", strings.Join(parts, ": "), p.Err))
	}
	return errors.Join(errs...)
}
