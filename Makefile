# make help lists the targets.
PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

GOFLAGS_BUILD = -trimpath -ldflags '-s -w -X ahriman/cli/app.version=$(VERSION)'
DATADIR       = $(DESTDIR)$(PREFIX)/share
TESTS         = ./transport/sshnode ./transport/httpclient ./core/build ./cli/ahriman ./... # the longest first
SCRIPTS       = .ci/run .ci/setup $(shell find recipes -type f \( -name run -o -name '*.sh' \) 2>/dev/null)

.PHONY: build install setup test check bench demo generate man completions clean help

build: ## build ./ahriman, one static binary
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o ahriman ./cli/ahriman

install: ## install the binary, manual pages and completions below DESTDIR and PREFIX
	@test -x ahriman || { echo "run 'make build' first" >&2; exit 1; }
	install -Dm755 ahriman $(DESTDIR)$(PREFIX)/bin/ahriman
	install -dm755 $(DATADIR)/man/man1
	install -m644 man/*.1 $(DATADIR)/man/man1/
	install -Dm644 completions/ahriman.bash $(DATADIR)/bash-completion/completions/ahriman
	install -Dm644 completions/_ahriman $(DATADIR)/zsh/site-functions/_ahriman
	install -Dm644 completions/ahriman.fish $(DATADIR)/fish/vendor_completions.d/ahriman.fish
	install -Dm644 LICENSE $(DATADIR)/licenses/ahriman/LICENSE

setup: ## install what the tests need, or say how to
	.ci/setup

test: setup ## run the tests
	go test $(TESTS)

check: setup ## formatting, analysis, generated files, tests with the race detector; with test, all that CI checks
	@out=$$(gofmt -s -l cli core sign transport); test -z "$$out" || { echo "gofmt -s -w these:"; echo "$$out"; exit 1; } >&2
	go mod tidy -diff
	go vet ./...
	@out=$$(go fix -diff ./... 2>&1) || true; test -z "$$out" || { echo "$$out"; echo "run go fix ./..."; exit 1; } >&2
	go tool staticcheck ./...
	@out=$$(go tool deadcode ./cli/...); test -z "$$out" || { echo "$$out"; exit 1; } >&2
	go run ./cli/generate -check
	mandoc -Tlint -Wwarning man/*.1
	shellcheck $(SCRIPTS)
	go test -race -short -shuffle=on $(TESTS) # -short: without tests of other processes, of which it sees nothing

bench: ## measure
	go test -run '^$$' -bench . -benchmem ./...

demo: setup build ## build and distribute real packages on this machine, from nothing
	recipes/demo/run

generate: man completions ## all that is generated from the command line's grammar

man: ## the manual pages
	go run ./cli/generate man

completions: ## the completions of bash, zsh and fish
	go run ./cli/generate completions

clean: ## remove what was built
	rm -rf ahriman dist

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
