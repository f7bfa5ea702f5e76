#!/usr/bin/env bash
# Draws docs/report.svg, the picture in the README: a real report of the capture that `make demo` has left.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ! -f .demo/sphinx.heapline ]]; then
    scripts/demo.sh
fi
"$(scripts/pythons.sh --preferred)" scripts/report_svg.py --columns 100 \
    --title "heapline: Sphinx building the manual of Babel" \
    --prompt "heapline report sphinx.heapline" \
    docs/report.svg .venvs/demo/bin/heapline report .demo/sphinx.heapline
