#!/usr/bin/env bash
# Formats the Rust and the Python sources in place, and applies ruff's safe fixes.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$(scripts/venv.sh dev "$(scripts/pythons.sh --preferred)" dev)
cargo fmt --all
"$venv/bin/ruff" check --fix --quiet . || true
"$venv/bin/ruff" format .
