# Shared by the shell tools; source it after `set -euo pipefail`.
# shellcheck shell=bash

pawl_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Objects of one checkout serve another: paths below the root are hashed as relative ones.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$pawl_root} CCACHE_NOHASHDIR=1
pawl_tool=${pawl_tool:-tools/$(basename "$0")}

say() { printf '%s\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "$pawl_tool" "$*" >&2
  exit 1
}

# The packages of the sections named, one a line; without those whose command is there already.
packages_of() {
  local section name condition inside="" wanted=" $* "
  for section in "$@"; do
    grep -qxF "[$section]" "$pawl_root/tools/packages.txt" || die "no section [$section] in tools/packages.txt"
  done
  while read -r name condition; do
    case $name in
      '' | '#'*) continue ;;
      '['*']')
        section=${name#[}
        section=${section%]}
        inside=""
        if [[ $wanted == *" $section "* ]]; then inside=1; fi
        continue
        ;;
    esac
    if [[ -z $inside ]]; then continue; fi
    if [[ $condition == unless:* ]] && command -v "${condition#unless:}" >/dev/null; then continue; fi
    printf '%s\n' "$name"
  done <"$pawl_root/tools/packages.txt"
}

# Those of the packages given that are not installed.
missing_packages() {
  local installed
  if (($# == 0)); then return; fi
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u || true)
  comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$installed")
}

# Runs apt-get with every safeguard; its output goes to the log given first.
run_apt() {
  local log=$1
  shift
  "${pawl_as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=60 \
    -o APT::Update::Error-Mode=any "$@" >>"$log" 2>&1 </dev/null
}

# One line that says why apt failed and what to do.
explain_apt() {
  local log=$1
  if grep -qE 'Could not get lock|Unable to (acquire|lock)' "$log"; then
    die "another apt or dpkg is at work on this machine; run this again when it has ended"
  elif grep -qE 'Temporary failure resolving|Could not resolve|Failed to fetch|Could not connect|Network is unreachable' "$log"; then
    die "no network: the package server cannot be reached; connect, then run this again (log: $log)"
  elif grep -qE 'Unable to locate package|has no installation candidate' "$log"; then
    die "$(grep -m1 -oE 'Unable to locate package .*|Package .* has no installation candidate' "$log"); Pawl builds on Debian 12 (log: $log)"
  fi
  die "apt failed: $(tail -n1 "$log") (log: $log)"
}

# Installed servers must not start by themselves: policy-rc.d is Debian's own switch for it.
# A subshell, so that the switch goes back whichever way this ends.
apt_install_quietly() (
  log=$1
  shift
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    trap '"${pawl_as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${pawl_as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
    "${pawl_as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
  fi
  run_apt "$log" update || exit 1
  run_apt "$log" install --no-install-recommends "$@" || exit 1
)

# Installs what is missing of the sections named; at once back when nothing is.
install_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || die "needs Debian 12 (there is no apt here)"
  local wanted missing log
  wanted=$(packages_of "$@") || exit 1
  # shellcheck disable=SC2086  # package names hold no spaces
  mapfile -t missing < <(missing_packages $wanted)
  if ((${#missing[@]} == 0)); then return; fi
  pawl_as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
      die "not root, and packages are missing; as root run: apt-get install -y --no-install-recommends ${missing[*]}"
    pawl_as_root=(sudo -n)
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  log=$(mktemp -t pawl-apt.XXXXXX)
  apt_install_quietly "$log" "${missing[@]}" || explain_apt "$log"
  rm -f "$log"
}

# The Node clients that tests use, at the versions of the lock file, into build/node.
install_node_clients() {
  local from=$pawl_root/tests/e2e/node to=$pawl_root/build/node log
  if cmp -s "$from/package-lock.json" "$to/package-lock.json" && [[ -e $to/complete ]]; then return; fi
  rm -rf "$to" && mkdir -p "$to"
  cp "$from/package.json" "$from/package-lock.json" "$to/"
  log=$(mktemp -t pawl-npm.XXXXXX)
  (cd "$to" && npm ci --no-audit --no-fund) >"$log" 2>&1 </dev/null ||
    die "npm cannot fetch the Node clients of the tests; is there a network? $(grep -m1 -E 'npm (error|ERR!)' "$log" || true) (log: $log)"
  rm -f "$log"
  touch "$to/complete"
}

# configure_preset PRESET [CMAKE-ARGUMENT…]: quiet unless it fails.
configure_preset() {
  local preset=$1 log
  shift
  log=$(mktemp -t pawl-configure.XXXXXX)
  if ! (cd "$pawl_root" && cmake --preset "$preset" "$@") >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    die "configuring preset '$preset' failed, see above"
  fi
  rm -f "$log"
}
