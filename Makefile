# Each target is a line or two; what takes more is a script beside what it works on.
CARGO ?= cargo

.PHONY: demo test wheel lambda bench fuzz lint docs

demo: ## A million NASA-like lines to partitioned Parquet; needs cargo alone
	@CARGO="$(CARGO)" tests/demo.sh

test: ## All tests; what this machine cannot run is listed as SKIPPED (NASALOGS_NO_SKIPS=1 makes that a failure)
	@CARGO="$(CARGO)" tests/all.sh

wheel: ## The Python package for this platform, and its source distribution, in target/wheels
	@bindings/python/wheel.sh

lambda: wheel ## The same as a layer of Lambda, in target/lambda
	@.venv/bin/python bindings/python/layer.py "$${CARGO_TARGET_DIR:-target}"/wheels/*.whl \
		"$${CARGO_TARGET_DIR:-target}/lambda/nasalogs-layer.zip"

bench: ## Criterion, then the same file read by other tools, then in Python and in a function, then delivery to a Kinesis on this machine, then reports and SQL
	$(CARGO) bench -p nasalogs-benches
	@CARGO="$(CARGO)" benches/side_by_side.sh
	@CARGO="$(CARGO)" benches/python.sh
	@CARGO="$(CARGO)" benches/stream.sh
	@CARGO="$(CARGO)" benches/report.sh
	@CARGO="$(CARGO)" benches/sql.sh

fuzz: ## Every fuzz target for SECONDS_EACH (default 60)
	@CARGO="$(CARGO)" fuzz/run.sh $${SECONDS_EACH:-60}

lint: ## What CI says about style
	$(CARGO) fmt --check && $(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@tests/python.sh lint

docs: ## The crate's documentation and docs/cli.md
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --lib
	$(CARGO) run -q -p nasalogs-cli -- docs-markdown > docs/cli.md
