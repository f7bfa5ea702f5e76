#!/usr/bin/env bash
# Makes a folder of the CPythons that are newer than this system's own: 3.14 and 3.15, a release and a debug build of
# each, with their own C library, from Debian's testing suite. Needs Debian or a relative of it, mmdebstrap and
# patchelf; root is not needed. Nothing outside the folder is changed, and nothing of what is unpacked is run but the
# interpreters.
#
# usage: scripts/newer_pythons.sh            makes the folder, unless it is there already (about half a minute, 0.7 GB)
#        scripts/newer_pythons.sh --folder   only prints where it is or would be
# HEAPLINE_PYTHONS=DIR says where, instead of a folder in the user's cache. SUITE=sid takes another suite,
# MIRROR=URL another mirror than the first one that apt is told of.
set -euo pipefail

folder=${HEAPLINE_PYTHONS:-${XDG_CACHE_HOME:-$HOME/.cache}/heapline/pythons}
case ${1:-} in
    "") ;;
    --folder)
        echo "$folder"
        exit 0
        ;;
    *)
        echo "usage: scripts/newer_pythons.sh [--folder]" >&2
        exit 2
        ;;
esac
suite=${SUITE:-forky}
versions=(3.14 3.15)

packages=()
for version in "${versions[@]}"; do
    packages+=("python$version" "python$version-venv" "python$version-dbg" "libpython$version-testsuite")
done
# The interpreters are told the folder's name, so one that was moved is made anew.
wanted="$folder $suite ${packages[*]} 1"
if [[ -f $folder/.made-as && $(<"$folder/.made-as") == "$wanted" ]]; then
    exit 0
fi
for tool in mmdebstrap patchelf; do
    if ! command -v "$tool" >/dev/null; then
        echo "newer pythons: needs $tool (apt-get install mmdebstrap patchelf)" >&2
        exit 2
    fi
done
if [[ -z ${MIRROR:-} ]]; then
    # shellcheck disable=SC2016  # apt-get itself expands it
    MIRROR=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | head -n 1)
fi
if [[ -z $MIRROR ]]; then
    echo "newer pythons: apt knows no mirror; say one with MIRROR=URL" >&2
    exit 2
fi

echo "newer pythons: unpacking ${versions[*]} from $suite into $folder" >&2
mkdir -p "$(dirname "$folder")"
new=$folder.new
rm -rf "$new"
# Extracted, not installed: no maintainer script runs. A suite that moves on may have been signed a while ago.
mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/lib/debug/.dwz/*' \
    --include="$(IFS=, && echo "${packages[*]}")" "$suite" "$new" "$MIRROR"
rm -rf "$folder"
mv "$new" "$folder"

libraries=$folder/usr/lib/x86_64-linux-gnu
for version in "${versions[@]}"; do
    for python in "$folder/usr/bin/python$version" "$folder/usr/bin/python${version}d"; do
        # Found by absolute names, so that they run as they are, on any system, and what they start is not concerned.
        patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" "$python"
    done
    # Where pip's wheel lies, for virtual environments.
    find "$folder/usr/lib/python$version" -name '_sysconfigdata_*.py' -type f -exec \
        sed -i "/'WHEEL_PKG_DIR'/s|: '.*'|: '$folder/usr/share/python-wheels'|" {} +
done
printf '%s\n' "$wanted" >"$folder/.made-as"
for version in "${versions[@]}"; do
    for python in "python$version" "python${version}d"; do
        printf 'newer pythons: %s is %s\n' "$python" "$("$folder/usr/bin/$python" -V)" >&2
    done
done
