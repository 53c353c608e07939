# A newcomer needs `make run` and `make test`.
.PHONY: run test check bench siege fuzz supply browser alerts deploy tools

LISTEN ?= 127.0.0.1:8080

run: tools
	cargo build --release --locked
	@echo
	@echo "  Try: curl --data-binary @photo.jpg 'http://$(LISTEN)/compress?target=80KB' -o photo.webp"
	@echo
	./target/release/bytefit serve --listen $(LISTEN)

# The tests draw their own pictures. BYTEFIT_CORPUS=DIRECTORY adds the tests on real ones.
test: tools
	cargo test --locked

# What must be clean at every commit, besides the tests: the tools and the testkit too.
check: tools
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --lib --no-default-features --features libaom -- -D warnings
	cargo clippy --locked --all-targets --no-default-features --features server,ravif -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# Prints the tables of the README. BYTEFIT_CORPUS=DIRECTORY measures on real pictures.
bench: tools
	cargo bench --locked

# Load and faults against the binary, half an hour in all: `make siege PARTS="clients stops --quick"` takes two parts, and
# a tenth of each.
PARTS ?= all
siege: tools
	cargo build --release --locked --package bytefit --package bytefit-tools
	./target/release/siege $(PARTS)

# Licences, sources and versions of the dependencies, and dependencies that nothing uses. Needs cargo-deny and cargo-machete.
supply:
	cargo deny --all-features check licenses bans sources
	cargo machete

# Ten minutes for each fuzzer; `fuzz/run.sh 60` runs each for one.
fuzz: tools
	fuzz/run.sh

# The pages in Chromium. Needs chromium, node and npm. PICTURES=DIRECTORY draws those of the README.
# `cargo build` would build much of what the tests have built again, with other features of dependencies.
browser: tools
	cargo test --locked --no-run --test cli
	tests/browser/run.sh target/debug/bytefit

# The alerts, with their tests. Needs promtool, which comes with Prometheus.
alerts:
	cd deploy/prometheus && promtool check config prometheus.yml && promtool test rules alerts_test.yml

# The files in deploy/. Needs Python with PyYAML, and takes nginx, caddy and systemd-analyze where they are installed.
deploy:
	python3 scripts/check-deploy.py

tools:
	@scripts/ensure-tools.sh
