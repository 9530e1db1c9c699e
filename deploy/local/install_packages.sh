#!/usr/bin/env bash
# Installs what deploy/local/packages.txt lists and is not there yet. Works as root, or as a user whose sudo asks no
# password; otherwise it names what is missing and how to get it. Installs node only when no `npm` command exists.
# `install_packages.sh NAME` takes packages-NAME.txt as well.
set -euo pipefail
cd "$(dirname "$0")/../.."
lists=(deploy/local/packages.txt ${1:+"deploy/local/packages-$1.txt"})

say() { printf '[deps] %s\n' "$*" >&2; }

# apt-get waits for the lock of dpkg when told so, but never for those of its lists and its archives; the daily jobs of
# a fresh machine hold each of them for a while.
apt_get() {
  local give_up=$((SECONDS + 300))
  until "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    >"$apt_log" 2>&1; do
    grep -q 'Could not get lock' "$apt_log" && [ "$SECONDS" -lt "$give_up" ] || return 1
    say "another apt-get is at work; waiting for it"
    sleep 5
  done
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this needs Debian 12 (apt-get and dpkg-query were not found)"
  exit 1
fi

mapfile -t wanted < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "${lists[@]}")
command -v npm >/dev/null || wanted+=(npm nodejs)

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then
    as_root=()
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    say "these packages are missing and neither root nor a sudo without password is at hand:"
    printf '  %s\n' "${missing[@]}" >&2
    say "install them once with: sudo apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  # Debian's package would create and start a cluster on port 5432 of its own; ours lives under .local/.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    "${as_root[@]}" mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  apt_log=$(mktemp)
  trap 'rm -f "$apt_log"' EXIT
  fail_to() {
    tail -n 20 "$apt_log" >&2
    say "apt-get could not $1; its last lines are above"
    exit 1
  }
  # An old package list is refreshed only when it does not do; that saves the common case half a minute.
  install=(install -y --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0)
  if ! apt_get "${install[@]}" "${missing[@]}"; then
    say "refreshing the package lists"
    apt_get update || fail_to "refresh the package lists"
    apt_get "${install[@]}" "${missing[@]}" || fail_to "install the packages"
  fi
fi

# npm writes node_modules/.package-lock.json last, so an interrupted install is repeated.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing the npm tools (buf, google-proto-files, dbmate)"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
