#!/usr/bin/env bash
# Builds the one abi3 wheel into dist/, unless the one that lies there was built from the very same sources.
#
# usage: scripts/wheel.sh [--free-threaded]
#   --free-threaded  another wheel, into dist-free-threaded/: for CPython 3.15 and later without the GIL, where captures can
#                    be read and nothing recorded. It builds; no such interpreter was at hand to run it.
set -euo pipefail
cd "$(dirname "$0")/.."

digest=$(
    find crates python Cargo.toml Cargo.lock pyproject.toml README.md rust-toolchain.toml LICENSE* -type f \
        -not -path '*/__pycache__/*' -not -name '*.so' -print0 |
        sort -z | xargs -0 sha256sum | sha256sum
)
if [[ ${1:-} == --free-threaded ]]; then
    venv=$(scripts/venv.sh dev "$(scripts/pythons.sh --preferred)" dev)
    rm -rf dist-free-threaded
    "$venv/bin/maturin" build --release --strip --locked --no-default-features --features free-threaded \
        --interpreter python3.15t --out dist-free-threaded
    exit 0
fi
wheels=(dist/heapline-*.whl)
if [[ -f ${wheels[0]} && -f dist/.sources && $(<dist/.sources) == "$digest" ]]; then
    echo "wheel: ${wheels[0]} is up to date"
    exit 0
fi

# Any Python of the six will do: the wheel is for all of them.
python=$(scripts/pythons.sh --preferred)
venv=$(scripts/venv.sh dev "$python" dev)
rm -rf dist
"$venv/bin/maturin" build --release --strip --locked --interpreter "$python" --out dist
wheels=(dist/heapline-*.whl)
if [[ ${#wheels[@]} -ne 1 || ${wheels[0]} != *-abi3-* ]]; then
    echo "wheel: expected one abi3 wheel in dist/, found: ${wheels[*]}" >&2
    exit 1
fi
printf '%s\n' "$digest" >dist/.sources
echo "wheel: ${wheels[0]}, $(stat -c %s "${wheels[0]}" | awk '{ printf "%.2f", $1 / 1e6 }') MB"
