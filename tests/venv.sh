# shellcheck shell=bash
# Sourced: `venv FILE...` gives the repository's own virtual environment the packages of these requirement files, once,
# and anew when a pin has changed. False, and said, where that cannot be.
python=.venv/bin/python

venv() {
    local file have=.venv/have
    for file in "$@"; do
        if [ -e "$have/${file//\//-}" ] && ! cmp -s "$file" "$have/${file//\//-}"; then rm -rf "$have"; fi
    done
    if [ ! -d "$have" ]; then
        if ! suitable_python && can_apt; then
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
        fi
        if ! suitable_python || ! python3 -m venv --clear .venv; then
            skip "what needs $*: no Python 3.11 with venv here"
            return 1
        fi
        mkdir "$have"
    fi
    for file in "$@"; do
        cmp -s "$file" "$have/${file//\//-}" && continue
        if ! "$python" -m pip install --quiet --disable-pip-version-check --requirement "$file"; then
            skip "what needs $file: its packages cannot be installed"
            return 1
        fi
        cp "$file" "$have/${file//\//-}"
    done
}

suitable_python() { python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
