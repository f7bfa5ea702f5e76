#!/usr/bin/env bash
# Looks for memory errors with tools that see each access: the Rust tests of what needs no interpreter under
# AddressSanitizer, and a recorded program under valgrind's memcheck on every supported Python of this machine.
#
# What memcheck says of the same program without heapline is suppressed, and nothing else is.
#
# usage: scripts/sanitize.sh     PYTHONS="3.12 3.13" picks versions
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    echo "sanitize: valgrind is not installed (apt-get install valgrind)" >&2
    exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "== AddressSanitizer"
host=$(rustc --version --verbose | sed -n 's/^host: //p')
# The sanitizer is an option that the stable compiler has and does not offer. Its own target directory, because
# everything is built with it. Doctests are left out: rustdoc would have to be told as well.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/sanitize \
    cargo test --locked --target "$host" --lib --tests -p heapline-trace -p heapline-format -p heapline-analyze

# Runs the program under memcheck with pymalloc out of the way, so that each block is valgrind's own.
memcheck() {
    local venv=$1 mode=$2
    shift 2
    env PYTHONMALLOC=malloc PYTHONHASHSEED=0 valgrind --tool=memcheck --leak-check=no --num-callers=30 "$@" \
        "$venv/bin/python" -W ignore scripts/torture/checked.py "$mode"
}

passed=() failed=() without=()
while read -r version python; do
    if [[ -n ${PYTHONS:-} && " $PYTHONS " != *" $version "* ]]; then
        continue
    fi
    venv=$(scripts/venv.sh "test-$version" "$python" test --wheel)
    echo "== memcheck, Python $version"
    # It has to find functions of the dynamic linker by name; those of scripts/newer_pythons.sh come without names.
    if { valgrind --tool=memcheck "$python" -c "" 2>&1 </dev/null || true; } | grep "must-be-redirected"; then
        without+=("$version")
        continue
    fi
    memcheck "$venv" plain --gen-suppressions=all --log-file="$scratch/plain" </dev/null
    # Suppressions stand between braces that begin their lines; the other lines begin with ==.
    sed -n '/^{/,/^}/p' "$scratch/plain" >"$scratch/suppressions"
    status=0
    memcheck "$venv" recorded --suppressions="$scratch/suppressions" --error-exitcode=9 \
        --log-file="$scratch/recorded" </dev/null || status=$?
    grep -h "ERROR SUMMARY" "$scratch/plain" "$scratch/recorded" | sed 's/^==[0-9]*== //'
    if [[ $status -eq 0 ]]; then
        passed+=("$version")
    else
        cat "$scratch/recorded"
        failed+=("$version")
    fi
done < <(scripts/pythons.sh ${PYTHONS:+--all})

if [[ ${#failed[@]} -ne 0 || ${#passed[@]} -eq 0 ]]; then
    echo "sanitize: memcheck found errors or could not run on ${failed[*]:-any Python}" >&2
    exit 1
fi
echo "sanitize: no memory error: AddressSanitizer on the Rust tests, memcheck on ${passed[*]}"
if [[ ${#without[@]} -ne 0 ]]; then
    echo "sanitize: memcheck cannot run on ${without[*]}" >&2
fi
