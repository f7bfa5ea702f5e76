#!/usr/bin/env bash
# Runs the Python tests on every supported Python of this machine, each in a virtual environment that holds
# pytest and the wheel and nothing else. With CI=true all four versions must be there.
#
# usage: scripts/test_python.sh [pytest arguments]     PYTHONS="3.12 3.13" picks versions
set -euo pipefail
cd "$(dirname "$0")/.."

versions=() failed=()
while read -r version python; do
    if [[ -n ${PYTHONS:-} && " $PYTHONS " != *" $version "* ]]; then
        continue
    fi
    venv=$(scripts/venv.sh "test-$version" "$python" test --wheel)
    printf '\n== Python %s: %s\n' "$version" "$("$python" -VV)"
    versions+=("$version")
    # -P would keep the source tree off sys.path, but 3.10 lacks it: pytest's importlib mode does the same.
    "$venv/bin/python" -m pytest --import-mode=importlib "$@" tests </dev/null || failed+=("$version")
done < <(scripts/pythons.sh)

echo
if [[ ${#versions[@]} -eq 0 ]]; then
    echo "Python tests: none of the versions asked for (${PYTHONS:-}) was found" >&2
    exit 1
fi
if [[ ${CI:-} == true && ${#versions[@]} -ne 4 ]]; then
    echo "Python tests: CI needs 3.10, 3.11, 3.12 and 3.13, found only ${versions[*]}" >&2
    exit 1
fi
if [[ ${#failed[@]} -ne 0 ]]; then
    echo "Python tests: failed on ${failed[*]} (ran on ${versions[*]})" >&2
    exit 1
fi
echo "Python tests: passed on ${versions[*]}"
