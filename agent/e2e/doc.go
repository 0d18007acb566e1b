// Package e2e takes the built agent, real Envoys and a real Jaeger, and gives a verdict: each case of testdata is one
// Envoy configuration, the requests that are sent through it, and the spans that must come out. See testdata/README.md
// for the notation. The peers are installed by `make tools`.
package e2e
