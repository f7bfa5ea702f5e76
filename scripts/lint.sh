#!/usr/bin/env bash
# Checks style and types, without changing a file: Rust, Python, the shell scripts and the shape of the tree.
# Every check runs even if an earlier one failed; the last line names those that did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

python=$(scripts/pythons.sh --preferred) || exit 1
# PyO3's build asks an interpreter what it is.
export PYO3_PYTHON=$python
# Stubtest compares the stub with the compiled module, so it needs the wheel installed.
venv=$(scripts/venv.sh dev "$python" dev --wheel) || exit 1
bin=$venv/bin

passed=() failed=()
check() {
    local name=$1
    shift
    echo "== $name"
    if "$@"; then passed+=("$name"); else failed+=("$name"); fi
}

check "rustfmt" cargo fmt --all --check
check "clippy" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
# Private items are documented too, so links to them lead somewhere.
check "rustdoc" env RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
    cargo doc --workspace --no-deps --locked --quiet --document-private-items
check "ruff" "$bin/ruff" check .
check "ruff format" "$bin/ruff" format --check .
check "mypy" "$bin/mypy"
# From dist/ rather than from here: stubtest must see the installed package, not the one in python/.
check "stubtest" env -C dist "$bin/stubtest" heapline._native
check "shellcheck" "$bin/shellcheck" .ci/run scripts/*.sh
check "tidy" "$python" scripts/tidy.py

echo
if [[ ${#failed[@]} -ne 0 ]]; then
    printf -v list '%s, ' "${failed[@]}"
    echo "lint: failed: ${list%, }" >&2
    exit 1
fi
printf -v list '%s, ' "${passed[@]}"
echo "lint: passed: ${list%, }"
