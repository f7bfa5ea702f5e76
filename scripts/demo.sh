#!/usr/bin/env bash
# heapline's main job on a real program: Sphinx building the manual of Babel, which nobody here wrote.
#
# Sphinx and the manual's source come from PyPI at pinned versions. The program runs once plain and once under
# `heapline run`, and both must write the same pages. Everything lies in .demo/.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(scripts/pythons.sh --preferred)
venv=$(scripts/venv.sh demo "$python" demo --wheel)
demo=.demo
mkdir -p "$demo"

babel=$(sed -n 's/^babel==//p' requirements/demo.txt)
manual=$demo/babel-$babel/docs
if [[ ! -d $manual ]]; then
    echo "fetching the source of Babel $babel for its manual"
    "$venv/bin/python" -m pip download --quiet --disable-pip-version-check \
        --no-deps --no-binary babel --dest "$demo" "babel==$babel"
    tar -xzf "$demo/babel-$babel.tar.gz" -C "$demo"
fi

# The manual's own theme and its references into other manuals need a network, and its change log is as long as all the
# rest; everything else is as its authors have it.
sphinx=(
    -m sphinx -Q -E -b html -D html_theme=alabaster -D exclude_patterns=changelog.rst
    -D "extensions=sphinx.ext.autodoc,sphinx.ext.extlinks"
)
rm -rf "$demo/plain" "$demo/profiled" "$demo/sphinx.heapline"

seconds() {
    local TIMEFORMAT=%R
    { time "$@" 1>&3 2>&4; } 3>&1 4>&2 2>"$demo/seconds"
}

echo "plain:    python -m sphinx babel-$babel/docs"
seconds "$venv/bin/python" "${sphinx[@]}" -d "$demo/plain/trees" "$manual" "$demo/plain/html"
plain=$(<"$demo/seconds")
echo "          $plain s, $(find "$demo/plain/html" -name '*.html' | wc -l) pages"

echo "heapline: heapline run -o .demo/sphinx.heapline -m sphinx babel-$babel/docs"
echo
seconds "$venv/bin/heapline" run -o "$demo/sphinx.heapline" \
    "${sphinx[@]}" -d "$demo/profiled/trees" "$manual" "$demo/profiled/html"
profiled=$(<"$demo/seconds")

echo
if ! diff -r -q --exclude=.buildinfo "$demo/plain/html" "$demo/profiled/html"; then
    echo "demo: Sphinx wrote other pages under heapline" >&2
    exit 1
fi
echo "The same pages in $profiled s instead of $plain s, heapline's start and report included."
echo "More of it: .venvs/demo/bin/heapline report .demo/sphinx.heapline --by function"
