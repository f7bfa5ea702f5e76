# Everything a person or CI does with this repository. The steps themselves are in scripts/.

.DEFAULT_GOAL := help
.PHONY: help demo pythons test test-rust test-python lint fmt wheel wheel-free-threaded bench chart instructions instructions-write picture torture soak sanitize clean ci

ROUNDS ?= 5
SECONDS ?= 120

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: wheel ## profile a real program (Sphinx building a manual) and print the report
	@scripts/demo.sh

test: test-rust test-python ## all tests

test-rust: ## Rust tests
	PYO3_PYTHON=$$(scripts/pythons.sh --preferred) cargo test --workspace --locked

pythons: ## fetch Python 3.14 and 3.15, release and debug builds, from Debian into a folder of the user's cache
	@scripts/newer_pythons.sh

test-python: wheel ## Python tests on every Python of 3.10 to 3.15 found, JOBS=1 at a time; ARGS="-k name" goes to pytest
	@scripts/test_python.sh $(ARGS)

lint: wheel ## check style, types and the shape of the tree
	@scripts/lint.sh

fmt: ## format Rust and Python
	@scripts/fmt.sh

wheel-free-threaded: ## build the wheel for free-threaded CPython 3.15: it builds, but was never run without the GIL
	@scripts/wheel.sh --free-threaded

wheel: ## build the one abi3 wheel into dist/
	@scripts/wheel.sh

bench: wheel ## measure beside other profilers, ROUNDS=5; writes benches/results/DATE.md and draws its chart
	@scripts/bench.sh --rounds $(ROUNDS)

chart: ## draw docs/benchmark.svg, the README's chart, from the newest page in benches/results/
	@"$$(scripts/pythons.sh --preferred)" benches/chart.py

instructions: wheel ## hold the instructions of each path, counted by callgrind, to benches/instructions/budget.json
	@scripts/instructions.sh

instructions-write: wheel ## make what callgrind counts now that budget
	@scripts/instructions.sh --write

picture: wheel ## draw docs/report.svg, the README's picture, from a report of the demo's capture
	@scripts/picture.sh

torture: wheel ## storms of threads, forks and exceptions on every Python, SECONDS=120 JOBS=1 for all; SEED=N repeats one
	@scripts/torture.sh $(SECONDS)

soak: ## an hour of torture on all six Pythons and more on debug builds, 200 kills, CPython's tests recorded, sanitize
	@scripts/pythons.sh --demand
	@$(MAKE) sanitize
	@PYTHONS="3.14d 3.15d" scripts/test_python.sh -q
	@HEAPLINE_KILLS=200 scripts/test_python.sh -q -s -k survives_any_kill
	@PYTHONS="3.14d 3.15d" scripts/torture.sh 600
	@scripts/torture.sh 3600 --cpython-tests

sanitize: wheel ## look for memory errors: Rust tests under AddressSanitizer, a recorded program under memcheck
	@scripts/sanitize.sh

clean: ## remove everything that was built or downloaded
	rm -rf target dist dist-free-threaded .venvs .demo .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

ci: ## what CI runs
	@.ci/run
