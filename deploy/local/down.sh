#!/usr/bin/env bash
# Stops what up.sh started, by pid: the services first (they finish what they are doing), then PostgreSQL.
set -euo pipefail
script_name=down
. "$(dirname "$0")/settings.sh"

for service in finance orders catalog migration; do
  if is_running "$service"; then
    say "stopping $service"
    kill -TERM "$(cat "$local_dir/run/$service.pid")"
  fi
done
# A service goes on for a second, gives open calls (an import, say) twenty more, cancels them, and then has a few for
# what they were doing in the database.
patience=60
for service in finance orders catalog migration; do
  for tenths in $(seq 0 $((patience * 10))); do
    is_running "$service" || break
    [ "$tenths" -ne 30 ] || say "waiting for $service, which finishes open calls"
    sleep 0.1
  done
  is_running "$service" && fail "$service (pid $(cat "$local_dir/run/$service.pid")) does not stop; see $local_dir/log/$service.log"
  rm -f "$local_dir/run/$service.pid"
done
"$(dirname "$0")/postgres.sh" stop
