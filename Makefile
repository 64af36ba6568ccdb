# What people do here. `.ci/run` does all of it, the way a machine does.

.PHONY: build packages test test-system bench lint demo deps

build: ## the program, as bin/tunneld
	go build -trimpath -o bin/ ./tunneld

packages: ## packages, archives and installers of every system, in dist (Debian)
	@scripts/deps packages
	scripts/packages

test: deps ## every test, against real servers, with the race detector
	go test -race -timeout 20m ./...
	scripts/wine

test-system: ## installed as a service: whole machines run by systemd, and Wine (Debian, as root)
	scripts/deps system
	go test -race -tags system -timeout 30m ./install
	go test -race -tags system -timeout 30m -run WindowsService ./tunneld

bench: deps ## the benchmarks, without the race detector
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

lint: ## format, vet and build for every system, staticcheck, tidy modules, systemd's units
	scripts/lint
	scripts/cross
	scripts/units

demo: ## a tunnel, its server and something behind it, all in one process
	go run ./tunneld demo

deps: ## the programs that the tests run (Debian, as root; quick when all are there)
	@scripts/deps
