#!/usr/bin/env bash
# Makes the virtual environment .venvs/NAME from PYTHON with the pinned packages of requirements/REQUIREMENTS.txt,
# unless it is there already and still fits, and prints its path.
#
# usage: scripts/venv.sh NAME PYTHON REQUIREMENTS [--wheel]
#   --wheel  also installs the wheel from dist/, by path and without asking any index
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1 python=$2 requirements=requirements/$3.txt
venv=.venvs/$name
stamp=$venv/.made-from

# One virtual environment is good for one interpreter and one set of pins.
wanted=$("$python" -VV && echo "$python" && cat requirements/*.txt)
if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
    echo "making $venv" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
    printf '%s\n' "$wanted" >"$stamp"
fi

if [[ ${4:-} == --wheel ]]; then
    wheel=$(echo dist/heapline-*.whl)
    digest=$(sha256sum "$wheel")
    if [[ ! -f $venv/.wheel || $(<"$venv/.wheel") != "$digest" ]]; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --no-index --no-deps --force-reinstall "$wheel" >&2
        printf '%s\n' "$digest" >"$venv/.wheel"
    fi
fi
echo "$PWD/$venv"
