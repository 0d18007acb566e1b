package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Percent is a share, in millionths of a percent.
type Percent int64

// OnePercent and All are shares.
const (
	OnePercent Percent = 1e6
	All                = 100 * OnePercent
)

// ParsePercent reads a decimal number with at most six digits behind the point, with or without a % after it.
func ParsePercent(text string) (Percent, error) {
	whole, part, _ := strings.Cut(strings.TrimSuffix(text, "%"), ".")
	const digits = 6
	if len(part) <= digits && len(whole) > 0 && len(whole) <= 3 {
		n, err := strconv.ParseUint(whole+part+strings.Repeat("0", digits-len(part)), 10, 63)
		if err == nil {
			return Percent(n), nil
		}
	}
	return 0, fmt.Errorf("%q is not a percentage like 10, 0.5 or 0.001", text)
}

// String gives the number without a % sign. ParsePercent reads it back.
func (p Percent) String() string {
	return strconv.FormatFloat(100*p.Share(), 'f', -1, 64)
}

// Share gives p as a number from 0 to 1.
func (p Percent) Share() float64 { return float64(p) / float64(All) }
