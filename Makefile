# `make` alone prints this help; a target's help is the text behind its ##.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export GOTOOLCHAIN := local
export CGO_ENABLED := 0
# Vector instructions for pixels; without them everything works, slower, with the same bytes.
export GOEXPERIMENT := simd
BIN := bin
PROGRAMS := $(notdir $(wildcard cmd/*))
# Given a folder, gofumpt leaves testdata out.
SOURCES := $(shell find cmd daemon dbus nfsd packaging -name '*.go')
SCRIPTS := $(wildcard packaging/*.sh packaging/deb/p* packaging/rig/vm/testdata/*.sh) packaging/rig/bus packaging/rig/vm/guest/files/init .ci/run

.PHONY: help
help: ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what rendering needs (Debian packages, as root)
	@packaging/deps.sh

.PHONY: test-deps
test-deps:
	@packaging/deps.sh test

.PHONY: bench-deps
bench-deps:
	@packaging/deps.sh bench

.PHONY: build
build: ## build the programs into bin/
	@mkdir -p $(BIN)
	go build -trimpath -ldflags "-s -w" -o $(BIN)/ $(addprefix ./cmd/,$(PROGRAMS))

.PHONY: test
test: test-deps ## install what tests need, then lint and run every test with the race detector
	@$(MAKE) --no-print-directory lint
	CGO_ENABLED=1 go test -race -timeout 20m $$(go list ./... | grep -v '/rig/vm$$')
	@# Emulated machines want all processors: they run when nothing else does. The go command does not know what is in the
	@# packages that they install, and must not take an old result for theirs.
	CGO_ENABLED=1 go test -race -count=1 -timeout 20m ./packaging/rig/vm

.PHONY: lint
lint: test-deps ## gofumpt, go vet, staticcheck, govulncheck, shellcheck
	@out=$$(go tool gofumpt -l $(SOURCES)); if [ -n "$$out" ]; then echo "not formatted, run make fmt:"; echo "$$out"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	@packaging/vulncheck.sh
	shellcheck $(SCRIPTS)

.PHONY: fmt
fmt: ## format the Go code
	go tool gofumpt -w $(SOURCES)

.PHONY: demo
demo: deps build ## export the sample project on a local farm and say where the film is
	@packaging/demo.sh

.PHONY: bench
bench: bench-deps build ## measure speed against the peers that are installed
	@packaging/bench.sh

.PHONY: package
package: ## make the .deb and .rpm packages, for amd64 and arm64, in dist/; MAINTAINER="Name <mail>" overrides git's author
	@packaging/package.sh dist

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN) dist .cache
