# What a developer needs; CI calls the same targets.
GO ?= go
FUZZTIME ?= 50000x

.PHONY: build test unit race fuzz chart e2e tools check lint generate bench bench-quick model model-quick clean

build: ## the binary, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/alspan .

test: tools check unit race model-quick chart e2e ## everything but fuzz: what CI runs

tools: ## Spin, Helm, Buildah, and real peers for the tests (Envoy, Jaeger, a Kubernetes control plane), into the user's cache folder
	$(GO) run ./internal/tools install

check: ## formatting, vet
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...

unit:
	$(GO) test $$($(GO) list ./... | grep -v -e /e2e -e /charts)
	cd bench && $(GO) vet ./... && $(GO) test ./...
	cd bench/collector/alsreceiver && $(GO) vet ./... && $(GO) test ./...
	cd internal/parity && $(GO) vet ./... && $(GO) test ./...
	cd agent/e2e/testdata/shop && $(GO) vet ./...

race:
	$(GO) test -race ./accesslog ./traces ./spanbuilder ./export ./internal/attributes ./internal/filter ./internal/pods ./internal/ring ./internal/recent ./internal/red ./internal/sampler ./internal/slab ./internal/tail ./internal/zipkin ./internal/fake
	$(GO) test -race ./agent -worlds 60

model: ## the batching core's protocol in every interleaving, by Spin: minutes, up to 4 GB of memory
	$(GO) run ./internal/ring/model

model-quick: ## its small configurations and the seeded faults: seconds
	$(GO) run ./internal/ring/model -quick

# Each fuzz target for some thousand new inputs (a number, since a time limit makes the fuzzer itself fail now and then). Not
# part of test: what it finds is chance, and no change should fail by another one's bug. unit runs all that it ever found.
fuzz: ## the fuzz targets, five minutes; more with FUZZTIME=1000000x
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg || exit 1; \
		done; \
	done

chart: ## what the Helm chart renders and refuses, and the image, which is built and started
	$(GO) test ./charts

e2e: ## real Envoys and a real Jaeger
	$(GO) test -count 1 -timeout 20m ./agent/e2e

lint: ## the linters of .golangci.yml
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run
	cd bench && $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

generate: ## docs/config.md, docs/config.schema.json, and the same schema in that of the chart's values
	$(GO) test ./internal/config -update
	$(GO) test ./charts -run Schema -update

bench: ## everything that bench/RESULTS.md and bench/scaling.svg say, measured anew: about half an hour
	$(GO) run ./internal/tools install otelcol 0.155.0
	mkdir -p bin
	cd bench && $(GO) test -c -o ../bin/stages .
	@# In turns, so that noise meets all stages alike.
	cd bench && for round in 1 2 3 4 5 6 7 8 9 10; do ../bin/stages -test.run '^$$' -test.bench . -test.benchmem -test.benchtime 200ms || exit 1; done > ../bin/stages.txt
	cd bench && $(GO) run ./cmd/bench -stages ../bin/stages.txt

bench-quick: ## the main tables, in four minutes; writes nothing
	cd bench && $(GO) run ./cmd/bench -quick

clean:
	rm -rf bin
