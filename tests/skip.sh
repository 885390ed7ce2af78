# shellcheck shell=bash
# Sourced: what a machine cannot run is said, counted, and with NASALOGS_NO_SKIPS=1 a failure.
skips=0
skip() {
    echo "SKIPPED: $*"
    skips=$((skips + 1))
    if [ "${NASALOGS_NO_SKIPS:-0}" = 1 ]; then
        echo "NASALOGS_NO_SKIPS is set: a skip is a failure" >&2
        exit 1
    fi
}

# Can this run install Debian packages?
can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
