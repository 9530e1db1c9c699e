#!/usr/bin/env bash
# The private PostgreSQL cluster of the tests: `cluster.sh start DIR` makes and starts one (unix socket only, on tmpfs
# where that has room, durability off), `cluster.sh stop DIR` ends it, `cluster.sh halt DIR` and `cluster.sh resume DIR`
# crash the server and start it again with its data, `cluster.sh url DIR` prints its connection string. It listens in a
# folder that nobody but its owner (and root) may enter, so local users need no password. PostgreSQL refuses to run as
# root; then user postgres runs it.
set -euo pipefail

command=${1:?usage: cluster.sh start|stop|halt|resume|url DIR}
dir=${2:?usage: cluster.sh start|stop|halt|resume|url DIR}
# Debian's, unless somebody wants another version (tests/postgres/run.sh).
bin=${LOCKSTEP_TEST_PG_BIN:-/usr/lib/postgresql/15/bin}
# Socket paths are limited to 107 bytes and data wants tmpfs, so both live in a short folder, which a link in DIR names.
link=$dir/postgres
key=$(printf '%s' "$(realpath -m "$dir")" | sha256sum | cut -c1-10)

# A container's /dev/shm often holds no more than 64 MB.
new_home() {
  local free_mb
  free_mb=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1) || free_mb=0
  if [ -w /dev/shm ] && [ "$free_mb" -ge 2048 ]; then
    echo "/dev/shm/lockstep-test-$key"
  else
    echo "/tmp/lockstep-test-$key"
  fi
}

home=$(readlink "$link") || home=
# The link of a folder that was copied or moved names the cluster of the other one.
[ "${home##*-}" = "$key" ] || home=$(new_home)

as_postgres=()
if [ "$(id -u)" = 0 ]; then
  as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi

# A server works in its data folder. Only its owner may look there; a pid of somebody else is not its.
running() {
  local pid
  pid=$(head -n 1 "$home/data/postmaster.pid" 2>/dev/null) || return 1
  [ "$("${as_postgres[@]}" readlink "/proc/$pid/cwd" 2>/dev/null)" = "$home/data" ]
}

case $command in
  url)
    echo "host=$home port=5432 user=lockstep_admin dbname=postgres"
    ;;
  start)
    mkdir -p "$dir"
    if ! running; then
      rm -rf "$home"
      home=$(new_home)
      rm -rf "$home"
      # Without -p: it must be ours, and /tmp is everybody's.
      mkdir -m 700 "$home"
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
dynamic_shared_memory_type = $([[ $home = /dev/shm/* ]] && echo posix || echo mmap)
CONF
      (cd / && "${as_postgres[@]}" "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w -s start) ||
        { cat "$home/log" >&2; exit 1; }
    fi
    ln -sfn "$home" "$link"
    ;;
  stop)
    if running; then
      (cd / && "${as_postgres[@]}" "$bin/pg_ctl" -D "$home/data" -m immediate -w -s stop)
    fi
    rm -rf "$home" "$link"
    ;;
  halt)
    (cd / && "${as_postgres[@]}" "$bin/pg_ctl" -D "$home/data" -m immediate -w -s stop)
    ;;
  resume)
    (cd / && "${as_postgres[@]}" "$bin/pg_ctl" -D "$home/data" -l "$home/log" -w -s start)
    ;;
  *)
    echo "cluster.sh: unknown command '$command' (start, stop, halt, resume or url)" >&2
    exit 2
    ;;
esac
