// Package bench takes recordings of real Envoys and gives the cost of the stages, each beside a baseline in the same run.
//
// go test -bench . -benchmem ./bench; quote ratios and medians of several runs (-count 10, benchstat): machines differ.
package bench
