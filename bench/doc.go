// Package bench takes recordings of real Envoys and gives the cost of the stages, each beside a baseline in the same run.
// The commands below it measure the whole agent beside others; CONTRIBUTING.md tells how to run them.
//
// go test -bench . -benchmem .; quote ratios and medians of several runs (-count 10, benchstat): machines differ.
package bench
