# What a developer types. `make` alone explains itself.

GO      ?= go
BINARY  := bin/flagstaff
RACE    ?= ./...
RELEASE ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.release=$(RELEASE)

# The official engine cases and a recording of a real Flagsmith, where they are to be had; the tests that want them skip without.
ifneq ($(wildcard ../shared/vectors),)
export FLAGSTAFF_VECTORS ?= $(abspath ../shared)
endif

.DEFAULT_GOAL := help
.PHONY: help run build test race lint bench e2e fuzz docker clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build and serve on :8000, with a demo project in ./flagstaff-data
	$(BINARY) serve

build: ## build bin/flagstaff
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/flagstaff

test: lint ## lint and run every test; starts a Postgres of its own unless FLAGSTAFF_TEST_POSTGRES_URL names one
	@test -n "$(FLAGSTAFF_VECTORS)" || echo "FLAGSTAFF_VECTORS is not set: the official engine cases are skipped, the repository's own run."
	scripts/with-postgres $(GO) test $(TESTFLAGS) ./...

race: ## every test again, under the race detector
	scripts/with-postgres $(GO) test -race $(TESTFLAGS) $(RACE)

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w" $$unformatted; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: ## speed beside a bare fasthttp handler that sends the same bytes
	$(GO) run ./cmd/flagstaff-bench

e2e: build ## the published SDKs against the running binary (needs Node.js with npm)
	e2e/run $(BINARY)

fuzz: ## each fuzz target for FUZZTIME (default 30s)
	scripts/fuzz $(or $(FUZZTIME),30s)

docker: ## build the image flagstaff:$(RELEASE)
	docker build --build-arg RELEASE=$(RELEASE) -t flagstaff:$(RELEASE) .

clean: ## remove what was built
	rm -rf bin
