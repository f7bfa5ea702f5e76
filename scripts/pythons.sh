#!/usr/bin/env bash
# Prints the supported CPythons of this machine, oldest first, one a line: "3.12 /path/to/python".
#
# Looks under pyenv's versions first, then for python3.X on PATH. Each is run before it is believed: pyenv's
# shims exist for versions that are not enabled, and Debian's Python may come without venv. Free-threaded
# builds are left out.
#
# usage: scripts/pythons.sh [--newest | --preferred]
#   --newest     only the path of the newest one
#   --preferred  only the path of 3.12 if it is there, else of the newest
set -euo pipefail

supported=(3.10 3.11 3.12 3.13)
pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}

# Succeeds if $1 is a CPython of version $2 that can make a virtual environment.
usable() {
    "$1" - "$2" >/dev/null 2>&1 <<'PYTHON'
import ensurepip, sys, sysconfig, venv
version = "%d.%d" % sys.version_info[:2]
right = sys.implementation.name == "cpython" and version == sys.argv[1]
sys.exit(not right or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
PYTHON
}

find_python() {
    local version=$1 candidate
    while read -r candidate; do
        if [[ -n $candidate ]] && usable "$candidate" "$version"; then
            echo "$candidate"
            return 0
        fi
    done < <(
        find "$pyenv_root/versions" -maxdepth 1 -name "$version.*" 2>/dev/null | sort -rV | sed 's|$|/bin/python|'
        type -aP "python$version" || true
    )
    return 1
}

found=()
for version in "${supported[@]}"; do
    if python=$(find_python "$version"); then
        found+=("$version $python")
    fi
done
if [[ ${#found[@]} -eq 0 ]]; then
    echo "no supported Python found: install one of ${supported[*]} (pyenv install 3.12)" >&2
    exit 1
fi

case ${1:-} in
    "") printf '%s\n' "${found[@]}" ;;
    --newest) echo "${found[-1]#* }" ;;
    --preferred)
        for line in "${found[@]}"; do
            if [[ $line == "3.12 "* ]]; then
                echo "${line#* }"
                exit 0
            fi
        done
        echo "${found[-1]#* }"
        ;;
    *)
        echo "usage: scripts/pythons.sh [--newest | --preferred]" >&2
        exit 2
        ;;
esac
