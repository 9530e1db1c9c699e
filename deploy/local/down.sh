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
for service in finance orders catalog migration; do
  for _ in $(seq 150); do
    is_running "$service" || break
    sleep 0.1
  done
  is_running "$service" && fail "$service (pid $(cat "$local_dir/run/$service.pid")) does not stop; see $local_dir/log/$service.log"
  rm -f "$local_dir/run/$service.pid"
done
"$(dirname "$0")/postgres.sh" stop
