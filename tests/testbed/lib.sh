# shellcheck shell=bash
# Shared by the test bed scripts; sourced, not run.
set -euo pipefail

log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { log "error: $*"; exit 1; }
trap 'log "failed at line $LINENO: $BASH_COMMAND"' ERR

need_root() { [ "$(id -u)" = 0 ] || die "must run as root"; }

# One run of each script at a time: lock NAME (held until the script ends).
# Background children must be started with 9>&- so that they do not keep it.
lock() {
    mkdir -p /run/fpai-testbed
    exec 9>"/run/fpai-testbed/$1.lock"
    flock -w "${2:-300}" 9 || die "another $1 has held /run/fpai-testbed/$1.lock for ${2:-300} s"
}

# apt_install PKG...: installs what is missing, starts no service.
apt_install() {
    local want=() p out policy=
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || want+=("$p")
    done
    [ ${#want[@]} -gt 0 ] || return 0
    log "apt-get install ${want[*]}"
    if [ ! -e /usr/sbin/policy-rc.d ]; then     # a package must not start its service here
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"
    fi
    out=$(mktemp)
    local rc=0
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -o DPkg::Lock::Timeout=300 update &&
      apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${want[@]}"; } >"$out" 2>&1 9>&- || rc=$?
    [ -z "$policy" ] || rm -f "$policy"
    if [ $rc != 0 ]; then tail -n 20 "$out" >&2; rm -f "$out"; die "apt-get could not install: ${want[*]}"; fi
    rm -f "$out"
}

# wait_for SECONDS COMMAND...: polls until the command succeeds.
wait_for() {
    local end=$(( $(date +%s) + $1 )); shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.2
    done
}

# The legacy builder needs no buildx plugin; hide its advice to install one.
docker_build() { DOCKER_BUILDKIT=0 docker build "$@" 2> >(grep -v -i -e 'legacy builder' -e buildx -e buildkit -e environment-variable -e '^ *$' >&2); }
