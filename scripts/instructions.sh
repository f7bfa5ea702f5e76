#!/usr/bin/env bash
# Counts with callgrind the instructions that recording adds to an allocation and its free, on every supported Python of
# this machine, and compares them with benches/instructions/budget.json; a version without a budget is passed over.
#
# usage: scripts/instructions.sh [--write]     PYTHONS="3.12 3.13" picks versions
#   --write   makes what is measured the budget
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:---check}
case $what in
    --check | --write) ;;
    *)
        echo "usage: scripts/instructions.sh [--write]" >&2
        exit 2
        ;;
esac

within=() failed=()
while read -r version python; do
    if [[ -n ${PYTHONS:-} && " $PYTHONS " != *" $version "* ]]; then
        continue
    fi
    venv=$(scripts/venv.sh "test-$version" "$python" test --wheel)
    status=0
    "$venv/bin/python" benches/instructions/measure.py "$what" </dev/null || status=$?
    case $status in
        0) within+=("$version") ;;
        # No budget: said already.
        3) ;;
        *) failed+=("$version") ;;
    esac
done < <(scripts/pythons.sh ${PYTHONS:+--all})

if [[ ${#failed[@]} -ne 0 ]]; then
    echo "instructions: failed on ${failed[*]}" >&2
    exit 1
fi
if [[ ${#within[@]} -eq 0 ]]; then
    echo "instructions: there is no budget for any version found, so nothing was checked (make instructions-write)"
    exit 0
fi
case $what in
    --check) echo "instructions: within budget on ${within[*]}" ;;
    --write) echo "instructions: budget written for ${within[*]}" ;;
esac
