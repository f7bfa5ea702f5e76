#!/usr/bin/env bash
# To be sourced: `job` runs commands for several Pythons, JOBS at a time. With one at a time they write to the terminal,
# with more each writes when it is through.

said_by_jobs=$(mktemp -d)
trap 'rm -rf "$said_by_jobs"' EXIT

# job NAME COMMAND...
job() {
    local name=$1
    shift
    if [[ ${JOBS:-1} -eq 1 ]]; then
        "$@" </dev/null || touch "$said_by_jobs/$name.failed"
        return
    fi
    while [[ $(jobs -pr | wc -l) -ge $JOBS ]]; do wait -n || true; done
    {
        "$@" >"$said_by_jobs/$name" 2>&1 </dev/null || touch "$said_by_jobs/$name.failed"
        cat "$said_by_jobs/$name"
    } &
}

# Waits for all, and leaves in `failed` the names of those that did.
wait_for_jobs() {
    local mark
    wait
    failed=()
    for mark in "$said_by_jobs"/*.failed; do
        [[ ! -e $mark ]] || failed+=("$(basename "$mark" .failed)")
    done
}
