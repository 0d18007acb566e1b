// Package parity takes a corpus of configurations as users write them for the OpenTelemetry collector and gives a test: the
// processors of the collector and alspan, both in this process, leave the same of the same spans, or both refuse to start.
//
// Of sampling it takes tracestates and trace ids: the collector's sampler and alspan keep the same spans and write the same th.
//
// It is a module of its own, so that alspan itself needs nothing of the collector. CONTRIBUTING.md tells how to add to the
// corpus.
package parity
