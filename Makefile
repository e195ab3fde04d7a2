# make help lists what there is.
.DEFAULT_GOAL := help
FUZZTIME ?= 10s
LINT := go tool -modfile=tools.mod golangci-lint

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build the commands into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

.PHONY: demo
demo: ## run gateway and simulator in one process, without configuration
	go run ./cmd/gateway demo

.PHONY: test
test: ## run the tests
	go test ./...

.PHONY: race
race: ## run the tests under the race detector
	go test -race ./...

.PHONY: cover
cover: ## run the tests and show which share of the code they reach
	go test -coverprofile=cover.out -coverpkg=./... ./...
	go tool cover -func=cover.out | tail -n 1

.PHONY: fuzz
fuzz: ## run every fuzzer for FUZZTIME (10s)
	@set -e; for pkg in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

.PHONY: compare
compare: ## measure the gateway against a naive one (some minutes, loopback only)
	cd bench && go run ./cmd/compare

.PHONY: bench-compare
bench-compare: ## play every outage on ours, 60 lines, HAProxy and nginx (six minutes, loopback only)
	cd bench && go run ./cmd/outages --html ../outages.html --json ../outages.json

.PHONY: outages
outages: ## play the library of outages, reports in outages/ (twenty minutes, loopback only)
	@mkdir -p outages && go build -o bin/ ./cmd/loadtest
	@missed=; for f in configs/scenarios/*.yaml; do n=$$(basename $$f .yaml); \
		bin/loadtest --scenario $$f --html outages/$$n.html --json outages/$$n.json || missed="$$missed $$n"; \
	done; \
	if [ -n "$$missed" ]; then echo "missed:$$missed"; exit 1; fi; echo "all met"

.PHONY: fleet
fleet: ## play a fleet's proofs at full length, held to their times (ten minutes, loopback only)
	go test -v -timeout 30m -run 'IsAFleet|Failover' ./cmd/gateway -args -full

# The last release; until there is one, the first commit that has fleets.
OTHER ?= $(shell git describe --tags --abbrev=0 HEAD^ 2>/dev/null || echo d00b1df)
.PHONY: fleet-mixed
fleet-mixed: ## play a fleet's rolling upgrade from the release or commit OTHER to this one (some minutes, loopback only)
	rm -rf bin/other && mkdir -p bin/other && git archive $(OTHER) | tar -x -C bin/other
	cd bin/other && go build -o ../gateway-other ./cmd/gateway
	rm -rf bin/other
	go test -v -timeout 30m -run Upgrades ./cmd/gateway -args -other $(CURDIR)/bin/gateway-other

.PHONY: reliability
reliability: ## play the trials of docs/reliability.md and print their figures (Linux, as root)
	go test -v -timeout 40m -p 1 -parallel 1 -run Reliability ./cmd/gateway ./gateway -args -full

.PHONY: rolling
rolling: ## replace three instances behind HAProxy under 300 requests a second (a minute, loopback only)
	go test -count=1 -v -run RollsBehind ./cmd/gateway -args -full

.PHONY: rules
rules: ## write Kubernetes' alert rules from configs/prometheus/rules.yml
	cd deploy && go test . -run AlertRules -update

VERSION ?= 0.0.0
ARCH ?= amd64
NFPM := go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
.PHONY: deb
deb: ## build the Debian package into bin/ (VERSION=0.0.0 ARCH=amd64)
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build -trimpath -ldflags="-s -w" -o bin/linux/gateway ./cmd/gateway
	VERSION=$(VERSION) ARCH=$(ARCH) $(NFPM) package --packager deb --target bin/

.PHONY: bench
bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: lint
lint: ## run the linters (the first time they are built: two minutes)
	$(LINT) run ./...

.PHONY: ci
ci: ## run all that must hold before a change lands
	.ci/run
