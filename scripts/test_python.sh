#!/usr/bin/env bash
# Runs the Python tests on every supported Python of this machine, each in a virtual environment that holds
# pytest and the wheel and nothing else. The last line names the Pythons that ran. With CI=true
# those of 3.10 to 3.13 that are picked must be there; if none are, all of these, and what else is found runs as well.
#
# usage: scripts/test_python.sh [pytest arguments]     PYTHONS="3.12 3.14d" picks versions; debug builds only run so
#   JOBS=2   tests so many Pythons at once, and prints what each has said when it is through
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/jobs.sh
source scripts/jobs.sh

# Tests the Python of a version in its virtual environment.
run() {
    local version=$1 venv=$2
    shift 2
    printf '\n== Python %s: %s\n' "$version" "$("$venv/bin/python" -VV)"
    # -P would keep the source tree off sys.path, but 3.10 lacks it: pytest's importlib mode does the same.
    "$venv/bin/python" -m pytest --import-mode=importlib "$@" tests
}

# Full versions of those that ran.
ran=() missing=(3.10 3.11 3.12 3.13)
while read -r version python; do
    if [[ -n ${PYTHONS:-} && " $PYTHONS " != *" $version "* ]]; then
        continue
    fi
    venv=$(scripts/venv.sh "test-$version" "$python" test --wheel)
    ran+=("$("$python" -c 'import platform; print(platform.python_version())')${version##*[0-9]}")
    for index in "${!missing[@]}"; do
        [[ ${missing[index]} != "$version" ]] || unset "missing[index]"
    done
    job "$version" run "$version" "$venv" "$@"
done < <(scripts/pythons.sh ${PYTHONS:+--all})
wait_for_jobs

echo
if [[ ${#ran[@]} -eq 0 ]]; then
    echo "Python tests: none of the versions asked for (${PYTHONS:-}) was found" >&2
    exit 1
fi
picked=${PYTHONS:-3.10 3.11 3.12 3.13}
for index in "${!missing[@]}"; do
    [[ " $picked " == *" ${missing[index]} "* ]] || unset "missing[index]"
done
if [[ ${CI:-} == true && ${#missing[@]} -ne 0 ]]; then
    echo "Python tests: CI needs ${missing[*]} as well, found only ${ran[*]}" >&2
    exit 1
fi
if [[ ${#failed[@]} -ne 0 ]]; then
    echo "Python tests: failed on ${failed[*]} (ran on ${ran[*]})" >&2
    exit 1
fi
echo "Python tests: passed on ${ran[*]}"
