#!/usr/bin/env bash
# The private PostgreSQL of `make up`: postgres.sh start|stop|remove|url [USER]. It listens on a unix socket only, in a
# folder that nobody but its owner (and root) may enter, so local users need no password. PostgreSQL refuses to run as
# root; then user postgres runs it.
set -euo pipefail
script_name=postgres
. "$(dirname "$0")/settings.sh"

bin=/usr/lib/postgresql/15/bin
link=$local_dir/postgres

as_owner=()
if [ "$(id -u)" = 0 ]; then
  as_owner=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi

# The cluster's home: below .local, unless its owner cannot enter that folder (a checkout in root's home) or the socket
# path would be longer than 107 bytes; then in /var/lib or /tmp, with a link to it.
home_of_cluster() {
  if [ -L "$link" ]; then
    readlink "$link"
  elif [ -d "$link" ]; then
    echo "$link"
  else
    mkdir -p "$local_dir"
    if "${as_owner[@]}" test -x "$local_dir" && [ "${#link}" -lt 80 ]; then
      mkdir -p "$link"
      echo "$link"
    else
      local key elsewhere
      key=$(printf '%s' "$local_dir" | sha256sum | cut -c1-10)
      elsewhere=$([ "$(id -u)" = 0 ] && echo /var/lib || echo /var/tmp)/lockstep-$key
      mkdir -p "$elsewhere"
      ln -s "$elsewhere" "$link"
      echo "$elsewhere"
    fi
  fi
}

pid_in_lock_file() { head -n 1 "$1/data/postmaster.pid" 2>/dev/null; }

# A server works in its data folder. Only its owner may look there; a pid of somebody else is not its.
is_up() {
  local pid
  pid=$(pid_in_lock_file "$1") || return 1
  [ "$("${as_owner[@]}" readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(realpath "$1/data")" ]
}

# After a reboot the pid in the lock files may be that of another program of the owner, and PostgreSQL then refuses to
# start. Call when it is not up.
remove_stale_locks() {
  local pid
  pid=$(pid_in_lock_file "$1") || return 0
  if "${as_owner[@]}" bash -c "kill -0 $pid" 2>/dev/null; then
    say "pid $pid of the last run is another program's now; removing the lock files that name it"
    rm -f "$1/data/postmaster.pid" "$1"/.s.PGSQL.*.lock
  fi
}

case ${1:-} in
  start)
    home=$(home_of_cluster)
    if [ ! -s "$home/data/PG_VERSION" ]; then
      say "creating a private cluster in $home"
      chmod 700 "$home"
      [ "$(id -u)" != 0 ] || chown postgres: "$home"
      (cd / && "${as_owner[@]}" "$bin/initdb" -D "$home/data.new" -U lockstep_admin -A trust -E UTF8 \
        --locale=C.UTF-8 >"$local_dir/initdb.log" 2>&1) || { cat "$local_dir/initdb.log" >&2; fail "initdb failed"; }
      "${as_owner[@]}" tee -a "$home/data.new/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$home'
max_connections = 100
log_min_messages = warning
CONF
      "${as_owner[@]}" mv "$home/data.new" "$home/data"
    fi
    if ! is_up "$home"; then
      remove_stale_locks "$home"
      say "starting"
      (cd / && "${as_owner[@]}" "$bin/pg_ctl" -D "$home/data" -l "$home/server.log" -w -s start) ||
        { tail -n 20 "$home/server.log" >&2; fail "PostgreSQL did not start; its log is above"; }
    fi
    exists=$(psql -qAt "host=$home user=lockstep_admin dbname=postgres" \
      -c "SELECT count(*) FROM pg_database WHERE datname = 'lockstep'")
    [ "$exists" = 1 ] || psql -q "host=$home user=lockstep_admin dbname=postgres" -c 'CREATE DATABASE lockstep'
    ;;
  stop)
    [ -e "$link" ] || exit 0
    home=$(home_of_cluster)
    if is_up "$home"; then
      say "stopping"
      (cd / && "${as_owner[@]}" "$bin/pg_ctl" -D "$home/data" -m fast -w -s stop)
    fi
    ;;
  remove)
    [ -e "$link" ] || [ -L "$link" ] || exit 0
    "$0" stop
    home=$(home_of_cluster)
    rm -rf "$home" "$link"
    ;;
  url)
    echo "host=$(home_of_cluster) dbname=lockstep user=${2:-lockstep_admin}"
    ;;
  *)
    echo "usage: postgres.sh start|stop|remove|url [USER]" >&2
    exit 2
    ;;
esac
