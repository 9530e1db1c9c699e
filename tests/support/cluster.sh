#!/usr/bin/env bash
# The private PostgreSQL cluster of the tests: `cluster.sh start DIR` makes and starts one (unix socket only, on tmpfs
# where there is one, durability off), `cluster.sh stop DIR` ends it, `cluster.sh url DIR` prints its connection string.
# PostgreSQL refuses to run as root; then user postgres runs it.
set -euo pipefail

command=${1:?usage: cluster.sh start|stop|url DIR}
dir=${2:?usage: cluster.sh start|stop|url DIR}
bin=/usr/lib/postgresql/15/bin
# Socket paths are limited to 107 bytes and data wants tmpfs, so both live in a short folder that DIR names.
key=$(printf '%s' "$(realpath -m "$dir")" | sha256sum | cut -c1-10)
home=/dev/shm/lockstep-test-$key
[ -d /dev/shm ] || home=/tmp/lockstep-test-$key

as_postgres=()
if [ "$(id -u)" = 0 ]; then
  as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi

running() { [ -s "$home/data/postmaster.pid" ] && kill -0 "$(head -n 1 "$home/data/postmaster.pid")" 2>/dev/null; }

case $command in
  url)
    echo "host=$home port=5432 user=lockstep_admin dbname=postgres"
    ;;
  start)
    mkdir -p "$dir"
    if ! running; then
      rm -rf "$home"
      mkdir -p "$home"
      [ "$(id -u)" != 0 ] || chown postgres: "$home"
      "${as_postgres[@]}" "$bin/initdb" -D "$home/data" -U lockstep_admin -A trust -E UTF8 --locale=C.UTF-8 \
        --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
      cat <<CONF | "${as_postgres[@]}" tee -a "$home/data/postgresql.conf" >/dev/null
listen_addresses = ''
unix_socket_directories = '$home'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
shared_buffers = 128MB
log_min_messages = warning
CONF
      (cd / && "${as_postgres[@]}" "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w -s start) ||
        { cat "$home/log" >&2; exit 1; }
    fi
    ;;
  stop)
    if running; then
      (cd / && "${as_postgres[@]}" "$bin/pg_ctl" -D "$home/data" -m immediate -w -s stop)
    fi
    rm -rf "$home"
    ;;
  *)
    echo "cluster.sh: unknown command '$command' (start, stop or url)" >&2
    exit 2
    ;;
esac
