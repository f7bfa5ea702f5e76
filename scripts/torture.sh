#!/usr/bin/env bash
# Tries to make heapline fail on every supported Python of this machine: random storms in verify mode, in which each
# allocation walks the stack both ways. Prints a line for each Python and kind of allocator, and for each failure the
# command that repeats it.
#
# usage: scripts/torture.sh SECONDS [--cpython-tests]     for all Pythons together; PYTHONS="3.12 3.14d" picks versions
#   --cpython-tests  afterwards also runs CPython's own tests under heapline, however long that takes
# JOBS=2 takes so many Pythons at once, each for longer. SEED=N repeats a rotation; without it the seed is random, and
# printed.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/jobs.sh
source scripts/jobs.sh

seconds=$1
seed=${SEED:-$RANDOM}

pythons=()
while read -r version python; do
    if [[ -z ${PYTHONS:-} || " $PYTHONS " == *" $version "* ]]; then
        pythons+=("$version $python")
    fi
done < <(scripts/pythons.sh ${PYTHONS:+--all})
if [[ ${#pythons[@]} -eq 0 ]]; then
    echo "torture: none of the versions asked for (${PYTHONS:-}) was found" >&2
    exit 1
fi

at_once=$((${JOBS:-1} < ${#pythons[@]} ? ${JOBS:-1} : ${#pythons[@]}))

# Tortures the Python of a virtual environment; with "yes" also runs CPython's tests.
torture() {
    local venv=$1 with_tests=$2 status=0
    "$venv/bin/python" scripts/torture/rotation.py --seconds $((seconds * at_once / ${#pythons[@]})) --seed "$seed" ||
        status=1
    if [[ $with_tests == yes ]]; then
        "$venv/bin/python" scripts/torture/cpython_tests.py || status=1
    fi
    return "$status"
}

[[ ${2:-} == --cpython-tests ]] && with_tests=yes || with_tests=no
for pair in "${pythons[@]}"; do
    read -r version python <<<"$pair"
    venv=$(scripts/venv.sh "test-$version" "$python" test --wheel)
    job "$version" torture "$venv" "$with_tests"
done
wait_for_jobs

if [[ ${#failed[@]} -ne 0 ]]; then
    printf -v list '%s, ' "${failed[@]}"
    echo "torture: failed on ${list%, } (seed $seed)" >&2
    exit 1
fi
printf -v list '%s, ' "${pythons[@]%% *}"
echo "torture: passed on ${list%, } in verify mode: no stack read wrongly, counters as the blocks, totals as tracemalloc's" \
    "(seed $seed)"
