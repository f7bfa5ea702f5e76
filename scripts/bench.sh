#!/usr/bin/env bash
# Runs the benchmarks in a virtual environment that holds the wheel and the peers. Arguments go to benches/bench.py.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$(scripts/venv.sh bench "$(scripts/pythons.sh --preferred)" bench --wheel)
"$venv/bin/python" benches/bench.py --wheel dist/heapline-*.whl "$@"
