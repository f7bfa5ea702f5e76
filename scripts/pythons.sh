#!/usr/bin/env bash
# Prints the supported CPythons of this machine, oldest first, one a line: "3.12 /path/to/python".
#
# Looks under pyenv's versions first, then into the folder that scripts/newer_pythons.sh makes, then for python3.X on
# PATH. Each is run before it is believed: pyenv's shims exist for versions that are not enabled, and Debian's Python
# may come without venv. Free-threaded builds are left out.
#
# usage: scripts/pythons.sh [--newest | --preferred | --all | --demand]
#   --newest     only the path of the newest one
#   --preferred  only the path of 3.12 if it is there, else of the newest
#   --all        afterwards also the debug builds: "3.14d /path/to/another"
#   --demand     as --all, but fails and says which are missing unless every one is there
set -euo pipefail
cd "$(dirname "$0")/.."

supported=(3.10 3.11 3.12 3.13 3.14 3.15)
debug_builds=(3.14d 3.15d)
pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}
newer=$(scripts/newer_pythons.sh --folder)

# Succeeds if $1 is a CPython of version $2 that can make a virtual environment.
usable() {
    "$1" - "$2" >/dev/null 2>&1 <<'PYTHON'
import ensurepip, sys, sysconfig, venv
version = "%d.%d" % sys.version_info[:2] + ("d" if hasattr(sys, "gettotalrefcount") else "")
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
        echo "$newer/usr/bin/python$version"
        type -aP "python$version" || true
    )
    return 1
}

found=() missing=()
find_all() {
    local version python
    for version in "$@"; do
        if python=$(find_python "$version"); then
            found+=("$version $python")
        else
            missing+=("$version")
        fi
    done
}

find_all "${supported[@]}"
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
    --all | --demand)
        find_all "${debug_builds[@]}"
        printf '%s\n' "${found[@]}"
        if [[ $1 == --demand && ${#missing[@]} -ne 0 ]]; then
            echo "Python ${missing[*]} not found (make pythons brings 3.14, 3.15 and their debug builds)" >&2
            exit 1
        fi
        ;;
    *)
        echo "usage: scripts/pythons.sh [--newest | --preferred | --all | --demand]" >&2
        exit 2
        ;;
esac
